"""What a simulation would have done, written down instead; and how much it may look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from chalicelib.model import Dataset, Entry, PipelineRecord, Release, Run
from chalicelib.news import News
from chalicelib.ports import Clock

SECONDS = 20.0
"""The API's function has 29, and the answer takes its own."""
READS = 3_000
PAGES = 20
"""Pages of 1,000 objects that are listed at most."""

Kept = Dataset | Run | Release | PipelineRecord
Value = TypeVar("Value")


class SimulationEnd(BaseException):
    """The simulation goes no further, and says why.

    Not an Exception: no flow that goes on after errors may outlive it.
    """


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that would have been done: `call` as AWS names it, `what` for a person."""

    at: float
    port: str
    method: str
    what: str
    call: str = ""
    names: tuple[str, ...] = ()
    costs: bool = False
    """Whether money is spent from then on."""


@dataclass(frozen=True, slots=True)
class Line:
    """A timeline entry that would have been written."""

    subject: str
    entry: Entry


@dataclass(slots=True)
class Change:
    """An item as it is, and as it would be; `before` is None for one that would be new."""

    before: Kept | None
    after: Kept


@dataclass(slots=True)
class Journal:
    """All that one simulation wrote down; every look at the real world passes through `look`."""

    real_clock: Clock
    seconds: float = SECONDS
    acts: list[Act] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    changes: dict[str, Change] = field(default_factory=dict)
    wakes: list[tuple[float, str]] = field(default_factory=list)
    """(when it would arrive, subject), in the order sent."""
    news: list[News] = field(default_factory=list)
    """The events of ours that would be sent."""
    began: float = 0.0
    _ahead: float = 0.0
    _reads: int = 0
    _pages: int = 0

    def __post_init__(self) -> None:
        self.began = self.real_clock()

    def clock(self) -> float:
        """Give the real time, or the later one that the simulation has gone ahead to."""
        return max(self.real_clock(), self._ahead)

    def go_ahead_to(self, at: float) -> None:
        self._ahead = max(self._ahead, at)

    def look(self, act: Callable[[], Value], *, page: bool = False) -> Value:
        """Read from the real world, unless enough was read already."""
        self._reads += 1
        self._pages += page
        if self._pages > PAGES:
            raise SimulationEnd(
                f"More than {PAGES} pages of 1,000 objects would be listed: a simulation looks no further. "
                "What is written here came before."
            )
        if self._reads > READS or self.real_clock() - self.began > self.seconds:
            raise SimulationEnd("There was more to look at than a simulation has time for; this is how far it came.")
        return act()

    def note(
        self,
        port: str,
        method: str,
        what: str,
        *,
        call: str = "",
        names: tuple[str, ...] = (),
        costs: bool = False,
    ) -> None:
        self.acts.append(Act(self.clock(), port, method, what, call, names, costs))
