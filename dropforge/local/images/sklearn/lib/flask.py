"""Flask's Response, as far as serving scripts use it: AWS's image serves with Flask, and passes headers on."""

from __future__ import annotations

from collections.abc import Mapping


class Response:
    """An answer with a status and headers."""

    def __init__(
        self,
        response: bytes | str | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        mimetype: str | None = None,
        content_type: str | None = None,
    ) -> None:
        self.status_code = status
        self.headers = dict(headers or {})
        if mimetype or content_type:
            self.headers.setdefault("Content-Type", str(content_type or mimetype))
        self._body = response.encode() if isinstance(response, str) else response or b""

    def get_data(self) -> bytes:
        return self._body
