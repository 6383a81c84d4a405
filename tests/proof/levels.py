"""How much is tried: DROPFORGE_PROOF is `quick` (a fixed sample), `all` (every single fault) or `full` (pairs, too)."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Level:
    every: int
    """Of all crash points, each so-many-th is tried; a prime, so that every kind of fault meets every kind of call."""
    stalls: int
    """Likewise of all calls before which a worker may stand still, each for three spans: 2 meets every call still."""
    seeds: int
    """Drawn schedules of each story."""
    pairs: int
    """Pairs of faults of each story."""
    calls: int
    """Of the calls at which a worker dies or stalls in a flow over the ports' fakes, each so-many-th is tried."""
    sequences: int
    """What people and SageMaker may do in any order, drawn by Hypothesis."""


LEVELS = {
    "quick": Level(every=149, stalls=151, seeds=3, pairs=4, calls=3, sequences=20),
    "all": Level(every=1, stalls=2, seeds=20, pairs=0, calls=1, sequences=300),
    "full": Level(every=1, stalls=2, seeds=20, pairs=100, calls=1, sequences=10_000),
}
NAME = os.environ.get("DROPFORGE_PROOF", "quick")
LEVEL = LEVELS[NAME]
