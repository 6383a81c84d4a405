"""Where a run stands on its way from a drop to the live model: its own state, joined with its pipeline's release."""

from __future__ import annotations

from chalicelib.model import Release, ReleaseStage, Run, RunState, Target
from chalicelib.names import run12

_UNDER_WAY = {
    ReleaseStage.REHEARSING: "rehearsing",
    ReleaseStage.ROLLING_OUT: "rolling-out",
    ReleaseStage.ROLLING_BACK: "rolling-out",
}


def stage_of(run: Run, release: Release | None) -> str:
    """Name the run's stage.

    One of preparing, training, evaluating, registered, pending, rehearsing, rolling-out, live, replaced,
    release-failed, rejected, failed, stopped.
    """
    if run.state is not RunState.REGISTERED or release is None:
        return run.state.value
    if _is(release.live, run):
        return "live"
    if under_way(release) and _is(release.desired, run):
        return "rolling-out" if failure_of(run, release) else _UNDER_WAY[release.stage]
    if _is(release.pending, run):
        return "pending"
    if failure_of(run, release):
        return "release-failed"
    return "replaced" if _has_newer(release, run) else "registered"


def failure_of(run: Run, release: Release | None) -> str | None:
    """Say why the release refused this run's model; None where it did not, or where the model is live after all."""
    if release is None or _is(release.live, run):
        return None
    reasons = [reason for digest, reason in release.failed.items() if digest.endswith(f"-{run12(run.id)}")]
    return reasons[-1] if reasons else None


def under_way(release: Release) -> bool:
    return release.stage is not ReleaseStage.IDLE


def _is(target: Target | None, run: Run) -> bool:
    return target is not None and target.run == run.id


def _has_newer(release: Release, run: Run) -> bool:
    if _is(release.previous, run):
        return True
    wanted = release.desired if under_way(release) else None
    return any(target.order[0] > run.sealed_at for target in (release.live, release.pending, wanted) if target)
