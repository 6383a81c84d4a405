"""What is text: JSON may escape half a character, which nothing can store or send."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from chalicelib.errors import InvalidError


def is_text(said: object) -> bool:
    """Tell whether all text of a JSON value, its keys too, can be written as UTF-8."""
    try:
        json.dumps(said, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def texts(said: Mapping[str, Any], called: str) -> dict[str, str]:
    """Read a table of texts; InvalidError names what in it is none."""
    for name, value in said.items():
        if not isinstance(value, str):
            raise InvalidError(f"{called} holds no text under {json.dumps(name)}.")
    return dict(said)
