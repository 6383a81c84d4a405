"""An event bus in memory: what it took, and it may be away, or take only some of what it is sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy

from chalicelib.errors import RefusedError, UnavailableError
from chalicelib.news import News


class FakeBus:
    def __init__(self) -> None:
        self.taken: list[News] = []
        """In the order they came; one that is sent twice is there twice."""
        self.away = False
        self.listener: Callable[[News], None] = lambda _: None
        """Is told of each at the moment that it is taken."""
        self.refuses: set[str] = set()
        """Ids of news that it does not take, each once."""
        self.too_large: set[str] = set()
        """Ids of news for which it refuses all that comes with them."""

    def publish(self, news: Sequence[News]) -> tuple[str, ...]:
        if self.away:
            raise UnavailableError("The event bus does not answer.")
        if any(each.id in self.too_large for each in news):
            raise RefusedError("Total size of the entries in the request is over the limit.")
        taken = [each for each in news if each.id not in self.refuses]
        self.refuses -= {each.id for each in news}
        for each in taken:
            self.listener(each)
        self.taken += deepcopy(taken)
        return tuple(each.id for each in taken)
