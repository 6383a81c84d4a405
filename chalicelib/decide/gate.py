"""The gate: whether a model's metrics are good enough, by a bar and against the champion."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

_SAME = 1e-12
"""Two scores this near are one score, written or summed in another order."""
_TODO = (
    "Change the training or the data and drop again: that makes another run. A changed [gate] holds for the next one; "
    "this one is not judged again (`dropforge retry` trains the run once more)."
)


class Gate(Protocol):
    """`[gate]` of a pipeline file."""

    @property
    def metric(self) -> str: ...
    @property
    def objective(self) -> str: ...
    @property
    def at_least(self) -> float | None: ...
    @property
    def beat_champion_by(self) -> float | None: ...
    @property
    def approval(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Passed:
    why: str


@dataclass(frozen=True, slots=True)
class Rejected:
    reason: str
    todo: str


def judge(gate: Gate | None, metrics: Mapping[str, float], champion: Mapping[str, float] | None) -> Passed | Rejected:
    """Judge a model. A champion without the metric, or with none that is a number, is no rival; a NaN never passes.

    Where the objective is to minimize, `at_least` means "at least as good as": the bar is the largest value allowed.
    """
    if gate is None:
        return Passed("no [gate] is set")
    value = metrics.get(gate.metric)
    if value is None:
        return _missing(gate, metrics)
    if not math.isfinite(value):
        return Rejected(
            f"{gate.metric} is {value}, which is no number to judge by.",
            "Look in the training log for what made it diverge, or at its regular expression in [train.metrics].",
        )
    return _compare(gate, value, champion.get(gate.metric) if champion else None)


def _missing(gate: Gate, metrics: Mapping[str, float]) -> Rejected:
    found = ", ".join(sorted(metrics)) or "none at all"
    return Rejected(
        f"The job reported no metric named {gate.metric}; it reported {found}.",
        f'Print it in the training log and give its regular expression under [train.metrics] as "{gate.metric}".',
    )


def _compare(gate: Gate, value: float, rival: float | None) -> Passed | Rejected:
    bar = gate.at_least
    if bar is not None and not _as_good(gate, value, bar):
        most = "at most" if gate.objective == "minimize" else "at least"
        return Rejected(
            f"{gate.metric} is {value:g}; the gate asks for {most} {bar:g}.",
            _TODO,
        )
    if gate.beat_champion_by is None or rival is None or not math.isfinite(rival):
        return Passed(f"{gate.metric} is {value:g}")
    better = rival - gate.beat_champion_by if gate.objective == "minimize" else rival + gate.beat_champion_by
    if not _as_good(gate, value, better):
        return Rejected(
            f"{gate.metric} is {value:g}; the live model has {rival:g} and the gate asks to beat it by "
            f"{gate.beat_champion_by:g}.",
            _TODO,
        )
    return Passed(f"{gate.metric} is {value:g}, the live model's is {rival:g}")


def _as_good(gate: Gate, value: float, bar: float) -> bool:
    return value <= bar + _SAME if gate.objective == "minimize" else value >= bar - _SAME
