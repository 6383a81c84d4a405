"""What a change of state counts as: once, when the state is saved for the first time, and for no later look at it."""

from __future__ import annotations

from typing import assert_never

from chalicelib.gauges import Gauge
from chalicelib.model import Dataset, DatasetState, PipelineRecord, Release, Run

Machine = Dataset | Run | Release | PipelineRecord


def count(before: Machine | None, after: Machine) -> tuple[Gauge, ...]:
    """Count what was saved; `before` is what was stored until then (None: nothing was)."""
    match after:
        case Run():
            return _run(before, after)
        case Release():
            return _release(before if isinstance(before, Release) else Release(after.pipeline), after)
        case Dataset() | PipelineRecord():
            return _refusal(before, after)
        case _:
            assert_never(after)


def state_of(item: Machine | None) -> str | None:
    """Name the state that a log line tells."""
    match item:
        case Release():
            return item.stage.value
        case None:
            return None
        case _:
            return str(item.state)


def _run(before: Machine | None, after: Run) -> tuple[Gauge, ...]:
    """A run that is tried again ends again, and each of its ends counts."""
    if not after.state.final or state_of(before) == after.state:
        return ()
    return (Gauge("Runs", by=(("outcome", after.state.value),), pipeline=after.pipeline),)


def _refusal(before: Machine | None, after: Dataset | PipelineRecord) -> tuple[Gauge, ...]:
    """No pipeline as a dimension: what is refused may bear any name, and names would be metrics without end."""
    if after.state != DatasetState.REFUSED or state_of(before) == after.state:
        return ()
    return (Gauge("Refusals", by=(("kind", "dataset" if isinstance(after, Dataset) else "pipeline"),)),)


def _release(before: Release, after: Release) -> tuple[Gauge, ...]:
    failed = len(set(after.failed) - set(before.failed))
    counted = [_outcome(after, "failed")] * bool(failed)
    if after.live is not None and (before.live is None or before.live.digest != after.live.digest):
        counted += [_outcome(after, "live"), *_time_to_live(before, after)]
    return tuple(counted)


def _outcome(release: Release, outcome: str) -> Gauge:
    return Gauge("Releases", by=(("outcome", outcome),), pipeline=release.pipeline)


def _time_to_live(before: Release, after: Release) -> tuple[Gauge, ...]:
    """Measure from the seal of a dataset to its model's being live.

    Not where a person chose the time, and not where a run that is live already is only served in another way.
    """
    live, since = after.live, after.stage_since
    if live is None or since is None or live.by is not None or (before.live and before.live.run == live.run):
        return ()
    return (Gauge("TimeToLive", max(0.0, since - live.order[0]), "Seconds", pipeline=after.pipeline),)
