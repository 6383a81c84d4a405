"""What `output_fn` may answer with."""

from __future__ import annotations

from collections.abc import Mapping

import flask  # type: ignore[import-not-found]  # found at run time, beside this package


class Response(flask.Response):  # type: ignore[misc]  # see the import
    """A Flask response that may be told its type by the name that SageMaker's examples use."""

    def __init__(
        self,
        response: bytes | str | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        mimetype: str | None = None,
        accept: str | None = None,
    ) -> None:
        super().__init__(response, status=status, headers=headers, mimetype=mimetype or accept)
