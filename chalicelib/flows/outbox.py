"""Our events on their way to the bus: saved with the state they tell of, sent after it, at least once.

Each step sends what it saved itself, and what has waited for so long that whoever saved it must have died. So two
workers seldom send the same, and an event is sent twice only where somebody died or was cut off in between; both carry
the same id. Events of one subject are sent in their order as far as one worker can see; `sequence` tells it for sure.
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_lambda_powertools import Logger

from chalicelib.errors import RefusedError
from chalicelib.news import News
from chalicelib.ports import Bus, Clock, Records

log = Logger(service="dropforge", child=True)

GRACE = 30.0
"""Seconds for which news is left to the worker that saved it."""
AT_ONCE = 10
PAGE = 100
MOST = 10 * PAGE
"""What one step or tick reads of an outbox that nobody has emptied for long."""


class Outbox:
    def __init__(self, *, records: Records, bus: Bus, clock: Clock) -> None:
        self.records = records
        self.bus = bus
        self.clock = clock

    def send_mine(self) -> None:
        """Send what this process has saved; one that has saved nothing to tell asks nobody anything."""
        mine = self.records.unsent()
        if mine:
            self._send(mine)

    def send_all(self) -> None:
        """Send what this process has saved, and what others left."""
        self._send(self.records.unsent())

    def _send(self, mine: frozenset[str]) -> None:
        """Read the outbox in its order, a few pages at most: one that is longer has waited, and is read again soon."""
        last: News | None = None
        for _ in range(MOST // PAGE):
            waiting = self.records.outbox(after=last, limit=PAGE)
            self._publish([each for each in waiting if each.id in mine or self._is_left(each)])
            if len(waiting) < PAGE:
                return
            last = waiting[-1]

    def _publish(self, news: Sequence[News]) -> None:
        """Send a few at a time: who dies in between sends no more than those again."""
        for first in range(0, len(news), AT_ONCE):
            batch = news[first : first + AT_ONCE]
            taken = set(self._offer(batch))
            self.records.published([each for each in batch if each.id in taken])
            if left := len(batch) - len(taken):
                told = "The bus did not take everything; the reconcile sends it again"
                log.warning(told, step="outbox", outcome="comes again", left=left)

    def _offer(self, batch: Sequence[News]) -> Sequence[str]:
        """Send what the bus refuses as a whole one by one: what it refuses alone stays, and keeps no other back."""
        try:
            return self.bus.publish(batch)
        except RefusedError as error:
            if len(batch) == 1:
                log.warning("The bus refuses an event", step="outbox", outcome="refused", reason=error.message)
                return ()
        return [name for each in batch for name in self._offer([each])]

    def _is_left(self, news: News) -> bool:
        return news.at + GRACE <= self.clock()
