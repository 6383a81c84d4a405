"""What a tuning job does next, of what is known of its training jobs. Pure: no clock, no store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from dropforge.local.sagemaker.kinds.kind import FINAL
from dropforge.local.sagemaker.tuning import bayesian
from dropforge.local.sagemaker.tuning.space import Space, Values

_PATIENCE = 5
"""Training jobs that may fail, or give no figure, from the first on: SageMaker says "after 5 attempts"."""
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Trial:
    """One training job of a tuning job. `lost` tells that it was not its own fault that it failed."""

    name: str
    place: int
    """Which of the proposals it tries."""
    tries: int
    values: Values
    status: str
    figure: float | None = None
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for, as far as it decides what is next."""

    strategy: str
    jobs: int
    at_once: int
    sign: int
    """1 where more is better, else -1."""
    seed: str
    target: float | None = None
    patience: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Launch:
    place: int
    tries: int
    values: Values


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do until a training job ends."""


@dataclass(frozen=True, slots=True)
class Finish:
    status: str
    reason: str | None = None


Step = Launch | Wait | Finish


def asked(name: str, config: Mapping[str, Any], space: Space) -> Asked:
    """Read a request's configuration."""
    limits, criteria = config["ResourceLimits"], config.get("TuningJobCompletionCriteria") or {}
    grid = config["Strategy"] == "Grid"
    return Asked(
        strategy=config["Strategy"],
        jobs=len(space.grid()) if grid else limits["MaxNumberOfTrainingJobs"],
        at_once=limits["MaxParallelTrainingJobs"],
        sign=1 if config["HyperParameterTuningJobObjective"]["Type"] == "Maximize" else -1,
        seed=str(config.get("RandomSeed", name)),
        target=criteria.get("TargetObjectiveMetricValue"),
        patience=(criteria.get("BestObjectiveNotImproving") or {}).get("MaxNumberOfTrainingJobsNotImproving"),
        seconds=limits.get("MaxRuntimeInSeconds"),
    )


def following(wish: Asked, space: Space, trials: Sequence[Trial], seconds: float) -> Step:
    """Decide what is next, `seconds` after the tuning job began."""
    ended = [trial for trial in trials if trial.status in FINAL]
    running = len(trials) - len(ended)
    if _is_enough(wish, trials, seconds):
        return Finish("Completed")
    if reason := _hopeless(wish, ended):
        return Finish("Failed", reason)
    if running < wish.at_once:
        if again := next((trial for trial in ended if _is_to_repeat(trial, trials)), None):
            return Launch(again.place, again.tries + 1, again.values)
        place = 1 + max((trial.place for trial in trials), default=-1)
        if place < wish.jobs:
            return Launch(place, 0, _values(wish, space, trials, place))
    if running:
        return Wait()
    return Finish("Completed") if best(wish, trials) else Finish("Failed", _failure(ended))


def best(wish: Asked, trials: Sequence[Trial]) -> Trial | None:
    """Give the training job with the best figure; of equals, the first."""
    return max((trial for trial in trials if trial.figure is not None), key=lambda one: _worth(wish, one), default=None)


def not_improving(wish: Asked, trials: Sequence[Trial]) -> int:
    """Count the training jobs with a figure that have ended since the best one."""
    told = [trial for trial in trials if trial.figure is not None]
    found = best(wish, told)
    return len(told) - 1 - told.index(found) if found else 0


def _worth(wish: Asked, trial: Trial) -> float:
    return wish.sign * (trial.figure or 0.0)


def _is_enough(wish: Asked, trials: Sequence[Trial], seconds: float) -> bool:
    found = best(wish, trials)
    if wish.seconds is not None and seconds > wish.seconds:
        return True
    if found is None:
        return False
    reached = wish.target is not None and _worth(wish, found) >= wish.sign * wish.target
    return reached or (wish.patience is not None and not_improving(wish, trials) >= wish.patience)


def _is_to_repeat(trial: Trial, trials: Sequence[Trial]) -> bool:
    last = max(other.tries for other in trials if other.place == trial.place)
    return trial.lost and trial.tries == last < _TRIES - 1


def _hopeless(wish: Asked, ended: Sequence[Trial]) -> str | None:
    counted = [trial for trial in ended if not trial.lost]
    if len(counted) < min(_PATIENCE, wish.jobs) or any(trial.figure is not None for trial in counted):
        return None
    return _failure(counted)


def _failure(ended: Sequence[Trial]) -> str:
    if not any(trial.status == "Completed" for trial in ended):
        return (
            f"No training job succeeded after {len(ended)} attempts. Please take a look at the training job failures to"
            " get more details."
        )
    return (
        f"No objective metrics found after running {len(ended)} training jobs. Please ensure that the custom algorithm"
        " is emitting the objective metric as defined by the regular expression provided."
    )


def _values(wish: Asked, space: Space, trials: Sequence[Trial], place: int) -> Values:
    random = Random(f"{wish.seed}/{place}")  # noqa: S311 - a search, no secret
    match wish.strategy:
        case "Grid":
            return space.grid()[place]
        case "Bayesian":
            known = [(trial.values, _worth(wish, trial)) for trial in trials if trial.figure is not None]
            pending = [trial.values for trial in trials if trial.status not in FINAL]
            return bayesian.propose(space, known, pending, random)
        case _:
            return space.draw(random)
