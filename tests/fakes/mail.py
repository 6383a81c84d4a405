"""A topic, a webhook and a secret, in memory: what they took, and the webhook answers what a test says."""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.errors import UnavailableError


class FakeMail:
    def __init__(self) -> None:
        self.published: list[tuple[str, str, dict[str, str]]] = []
        """(text, subject, attributes), in the order they came."""
        self.posted: list[tuple[bytes, dict[str, str]]] = []
        """(body, headers), those included that were not taken."""
        self.says: list[int | None] = []
        """Statuses of the next posts (None: no answer); after them, 200."""
        self.away = False
        """Whether the topic does not answer."""
        self.key = "a secret"

    def publish(self, text: str, *, subject: str, attributes: Mapping[str, str]) -> None:
        if self.away:
            raise UnavailableError("The topic does not answer.")
        self.published.append((text, subject, dict(attributes)))

    def post(self, body: bytes, headers: Mapping[str, str]) -> int:
        self.posted.append((body, dict(headers)))
        status = self.says.pop(0) if self.says else 200
        if status is None:
            raise UnavailableError("The webhook does not answer.")
        return status

    def secret(self) -> str:
        return self.key
