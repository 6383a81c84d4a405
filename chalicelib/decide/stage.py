"""Where a run stands on its way from a drop to the live model: its own state, joined with its pipeline's release."""

from __future__ import annotations

from chalicelib.decide import shortage
from chalicelib.model import Approval, Release, ReleaseStage, Run, RunState, Target
from chalicelib.names import run12

_UNDER_WAY = {
    ReleaseStage.REHEARSING: "rehearsing",
    ReleaseStage.ROLLING_OUT: "rolling-out",
    ReleaseStage.ROLLING_BACK: "rolling-out",
}

_ASKED = {Approval.PENDING: "awaiting-approval", Approval.REJECTED: "rejected"}


def stage_of(run: Run, release: Release | None) -> str:
    """Name the run's stage.

    One of preparing, training, evaluating, awaiting-approval, registered, pending, rehearsing, rolling-out, live,
    replaced, undeploying, undeployed, release-failed, rejected, failed, stopped.
    """
    if run.state is not RunState.REGISTERED and not (run.state is RunState.REJECTED and is_served(run, release)):
        return run.state.value
    by_itself = _ASKED.get(run.approval, run.state.value) if run.approval else run.state.value
    return (_stage_in(release, run) if release else None) or by_itself


def _stage_in(release: Release, run: Run) -> str | None:
    if _is(release.live, run):
        return "live"
    if under_way(release) and _is(release.desired, run):
        return "rolling-out" if failure_of(run, release) else _UNDER_WAY[release.stage]
    if _is(release.pending, run):
        return "pending"
    if _is(release.retired, run):
        return "undeploying" if release.stage is ReleaseStage.UNDEPLOYING else "undeployed"
    if failure_of(run, release):
        return "release-failed"
    return "replaced" if run.approval not in _ASKED and _has_newer(release, run) else None


def is_served(run: Run, release: Release | None) -> bool:
    """Tell whether clients meet this run's model, or are about to."""
    if release is None:
        return False
    return _is(release.live, run) or (under_way(release) and _is(release.desired, run) and not failure_of(run, release))


def failure_of(run: Run, release: Release | None) -> str | None:
    """Say why the release refused this run's model; None where it did not, or where the model is live after all."""
    if release is None or _is(release.live, run):
        return None
    reasons = [reason for digest, reason in release.failed.items() if digest.endswith(f"-{run12(run.id)}")]
    return reasons[-1] if reasons else None


def waiting_of(run: Run, release: Release | None) -> str | None:
    """Say what this run's release waits for, where that is neither SageMaker's work nor ours."""
    if release is None or not _is(release.desired, run) or _is(release.live, run):
        return None
    return waits_for(release)


def waits_for(release: Release) -> str | None:
    """Say what a release waits for: who paused it, or what AWS has no room for and when that is tried again."""
    if not under_way(release):
        return None
    short = release.shortage
    return release.held or (shortage.told(short) if short is not None and short.next_at is not None else None)


def under_way(release: Release) -> bool:
    """Tell whether a target is on its way to clients, or back from them."""
    return release.stage not in {ReleaseStage.IDLE, ReleaseStage.UNDEPLOYING}


def _is(target: Target | None, run: Run) -> bool:
    return target is not None and target.run == run.id


def _has_newer(release: Release, run: Run) -> bool:
    if _is(release.previous, run):
        return True
    wanted = release.desired if under_way(release) else None
    return any(target.order[0] > run.sealed_at for target in (release.live, release.pending, wanted) if target)
