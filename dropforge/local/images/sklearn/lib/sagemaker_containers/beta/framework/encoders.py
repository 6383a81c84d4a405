"""Between bytes and arrays: JSON, CSV and NumPy's own format."""

from __future__ import annotations

import io
import json
from typing import Any

from . import content_types
from .errors import ClientError, UnsupportedFormatError

TEXT_TYPES = frozenset(content_types.UTF8_TYPES)


def decode(obj: bytes | str, content_type: str) -> Any:
    """Make an array of a request's body."""
    import numpy as np  # only who uses the image's own formats pays for it

    kind = content_type.partition(";")[0].strip()
    text = obj.decode() if isinstance(obj, bytes) and kind in TEXT_TYPES else obj
    try:
        if kind == content_types.NPY and isinstance(obj, bytes):
            return np.load(io.BytesIO(obj), allow_pickle=False)
        if kind == content_types.JSON:
            return np.array(json.loads(text))
        if kind == content_types.CSV and isinstance(text, str):
            return np.genfromtxt(io.StringIO(text), dtype=np.float32, delimiter=",")
    except ValueError as error:
        raise ClientError(f"The body is not {kind}: {error}") from error
    raise UnsupportedFormatError(content_type)


def encode(array_like: Any, content_type: str) -> bytes | str:
    """Make the body of an answer."""
    import numpy as np  # see decode

    kind = content_type.partition(";")[0].strip()
    if kind == content_types.JSON:
        return json.dumps(array_like, default=_plain)
    if kind == content_types.CSV:
        text = io.StringIO()
        np.savetxt(text, np.atleast_1d(np.asarray(array_like)), delimiter=",", fmt="%s")
        return text.getvalue()
    if kind == content_types.NPY:
        data = io.BytesIO()
        np.save(data, np.asarray(array_like))
        return data.getvalue()
    raise UnsupportedFormatError(content_type)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
