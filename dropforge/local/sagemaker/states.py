"""The statuses of a thing: which follows which on AWS, how long each takes there, and where that is told."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

_LEAST, _MOST = 0.5, 1.5


class ImpossibleError(Exception):
    """A status that cannot follow the one before: a bug of ours, never an answer."""


@dataclass(frozen=True, slots=True)
class Graph:
    """`after` names what may follow each status; "" is the thing's beginning. Each room has its own in `states.py`."""

    member: str
    """The member of Describe that has the status."""
    after: Mapping[str, frozenset[str]]
    source: str
    """The address of a public page that shows them, or `assumed`."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """How long AWS usually stays in a status, or (for a job) in a secondary one; nothing where a program decides."""
    never: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """What of `after` AWS tells and this cloud does not."""

    def told(self, before: str) -> frozenset[str]:
        """Give what may follow a status here."""
        return self.after.get(before, frozenset()) - self.never.get(before, frozenset())

    def check(self, before: str, status: str) -> None:
        """Raise ImpossibleError where a status cannot follow; staying is no change."""
        if status != before and status not in self.told(before):
            raise ImpossibleError(f"{self.member} cannot go from {before or 'nothing'} to {status}")


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast this cloud's clock runs: 1 is like AWS, 0 at once. The same seed gives the same delays."""

    speed: float = 0.0
    seed: int = 0

    def seconds(self, graph: Graph, status: str, name: str) -> float:
        """Say how long a thing by this name stays in a status: AWS's usual time, half of it more or less."""
        usual = graph.seconds.get(status, 0.0) * self.speed
        drawn = random.Random(f"{self.seed}/{graph.member}/{status}/{name}")  # noqa: S311 - a delay, no secret
        return usual * drawn.uniform(_LEAST, _MOST)


AT_ONCE = Pace()
