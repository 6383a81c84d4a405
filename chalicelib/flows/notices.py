"""Passes our events on to the topic and the webhook that the settings name, at least once each.

What one of them did not take comes again with its message; the other is not sent it a second time, as far as this
process remembers. With neither set there is nothing to do.
"""

from __future__ import annotations

from collections.abc import Callable

from chalicelib.decide import notice
from chalicelib.errors import UnavailableError
from chalicelib.events import NewsSeen
from chalicelib.ports import Clock, Mail
from chalicelib.settings import Settings

_REMEMBERED = 1000
"""Events that were taken by one of two, at most; one that is forgotten may come twice."""
_SECRET_SECONDS = 300.0
"""How long the secret is kept: a new one signs this much later."""
_OK, _MULTIPLE = 200, 300


class Notices:
    def __init__(self, *, mail: Mail, clock: Clock, settings: Settings) -> None:
        self.mail = mail
        self.clock = clock
        self.settings = settings
        self._taken: dict[tuple[str, str], None] = {}
        self._secret: tuple[float, bytes] | None = None

    def send(self, seen: NewsSeen) -> bool:
        """Send to each, whatever becomes of the other; tell whether anybody wanted it. What either raised goes on."""
        wanted = {"topic": self.settings.topic, "webhook": self.settings.webhook}
        ways = {"topic": self._publish, "webhook": self._post}
        troubles = [self._try(name, seen, ways[name]) for name, place in wanted.items() if place]
        for trouble in filter(None, troubles):
            raise trouble
        return bool(troubles)

    def _try(self, name: str, seen: NewsSeen, send: Callable[[NewsSeen], None]) -> Exception | None:
        if (name, seen.id) in self._taken:
            return None
        try:
            send(seen)
        except Exception as error:  # noqa: BLE001 -- raised by `send` once the other has had its turn
            return error
        self._remember(name, seen)
        return None

    def _publish(self, seen: NewsSeen) -> None:
        """Publish it, with what a subscription may filter by."""
        attributes = {"detail-type": seen.kind, "pipeline": seen.pipeline, "state": seen.state}
        self.mail.publish(
            seen.text, subject=notice.subject(seen.kind, seen.pipeline, seen.state), attributes=attributes
        )

    def _post(self, seen: NewsSeen) -> None:
        body = seen.text.encode()
        status = self.mail.post(body, notice.headers(seen.id, body, self._read_secret(), self.clock()))
        if not _OK <= status < _MULTIPLE:
            raise UnavailableError(f"The webhook answered {status}.")

    def _read_secret(self) -> bytes:
        now = self.clock()
        if self._secret is None or self._secret[0] <= now:
            self._secret = now + _SECRET_SECONDS, self.mail.secret().encode()
        return self._secret[1]

    def _remember(self, name: str, seen: NewsSeen) -> None:
        if len(self._taken) >= _REMEMBERED:
            del self._taken[next(iter(self._taken))]
        self._taken[name, seen.id] = None
