"""A clock that stands still until it is told to move."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class FakeClock:
    now: float = 1_800_000_000.0
    """Whole seconds, as S3's own clock counts."""

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> float:
        self.now += seconds
        return self.now
