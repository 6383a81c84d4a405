"""A queue with delays, in memory."""

from __future__ import annotations

from chalicelib.ports import Clock

DELAY_LIMIT = 900


class FakeTimer:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.pending: list[tuple[float, str]] = []
        """(when it arrives, subject), in the order sent."""

    def wake(self, subject: str, *, seconds: int) -> None:
        self.pending.append((self.clock() + max(0, min(seconds, DELAY_LIMIT)), subject))

    def due(self, now: float | None = None) -> tuple[str, ...]:
        """Take what has arrived by now, earliest first."""
        until = self.clock() if now is None else now
        arrived = sorted(entry for entry in self.pending if entry[0] <= until)
        self.pending = [entry for entry in self.pending if entry[0] > until]
        return tuple(subject for _, subject in arrived)
