"""What a run does next, from what is known of it and its training job: time and findings come in, a step goes out."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.decide.run_ends import LOOK_AGAIN, end, take_up
from chalicelib.decide.run_steps import Move, NoRoom, Rest, StartTraining, Step, StopTraining, Wait
from chalicelib.decide.shortage import is_shortage, trying
from chalicelib.model import Candidate, Command, Entry, Run, RunState
from chalicelib.ports import JobSeen, TrainingJob

VANISHED_LIMIT = 600.0
"""Seconds that a job may be unknown to SageMaker before the run says so: Describe may lag behind Create."""
STRAY_LIMIT = 900.0
"""Seconds after which no worker can be about to start a job any more: a function's longest time-out."""
_STRAY_LOOK = 300.0
_ANOTHER = (
    "Change the code, the hyperparameters or the data and drop again: what is the same in all of them is the same run, "
    "and is not tried again by itself; `dropforge retry` tries it once more."
)
_AGAIN = "`dropforge retry` tries it once more."
_ENDED = frozenset({"Completed", "Failed", "Stopped"})


def prepare(run: Run, job: TrainingJob, seen: JobSeen | None, now: float) -> Step:
    """Start the job, or find it started: a name that is taken counts only with our own request digest."""
    if seen is None and run.stopping is not None:
        return end(run, RunState.STOPPED, now, f"{_stopped_by(run.stopping)} Nothing was started.", _AGAIN)
    if seen is None and run.superseded:
        return end(run, RunState.STOPPED, now, "No sealed dataset points at this run any more; nothing was started.")
    if seen is None:
        next_at = run.shortage.next_at if run.shortage else None
        return Wait(run, next_at) if next_at is not None and next_at > now else StartTraining(job)
    if seen.request != job.request:
        return _taken(run, job.name, now)
    return begin(run, job, seen, now)


def begin(run: Run, job: TrainingJob, seen: JobSeen | None, now: float) -> Move:
    attempt = run.candidate.attempt if run.candidate else 1
    candidate = Candidate(job=job.name, attempt=attempt, request=job.request, status="InProgress", secondary="Starting")
    candidate = _as_seen(candidate, seen) if seen else candidate
    moved = replace(run, state=RunState.TRAINING, candidate=candidate, reason=None, todo=None, due=now + LOOK_AGAIN)
    moved = replace(moved, shortage=trying(run.shortage))
    return Move(moved, Entry(now, "training started", {"job": job.name, "attempt": attempt, "on": job.instance_type}))


def train(run: Run, candidate: Candidate, seen: JobSeen | None, now: float) -> Step:
    """Follow the job until it has ended, one way or the other."""
    if seen is None:
        return _vanished(run, candidate, now)
    if seen.request != candidate.request:
        return _taken(run, candidate.job, now)
    candidate = _as_seen(candidate, seen)
    return _follow(replace(run, candidate=candidate), candidate, seen, now)


def _follow(run: Run, candidate: Candidate, seen: JobSeen, now: float) -> Step:
    match seen.status:
        case "Completed" | "Failed" | "Stopped" if run.stopping is not None or run.superseded:
            return _called_off(run, seen, now)
        case "Completed":
            return Move(
                replace(run, state=RunState.EVALUATING, compared=None, due=now + LOOK_AGAIN),
                Entry(now, "training completed", {"billable_seconds": seen.billable_seconds}),
            )
        case "Failed":
            return _failed(run, seen, now)
        case "Stopped":
            return take_up(run, now) if candidate.stop_asked else _stopped(run, seen, now)
        case "InProgress" if run.superseded or run.stopping is not None:
            return StopTraining(candidate.job, replace(run, candidate=replace(candidate, stop_asked=True)))
        case _:
            return Wait(replace(run, shortage=None) if seen.started_at is not None else run)


def watch(run: Run, seen: JobSeen | None, now: float) -> Step:
    """See that no job trains for a run that has ended: a slow worker may have started one just then."""
    candidate = run.candidate
    known = candidate.request if candidate is not None and candidate.status else None
    if seen is not None and seen.request and known in {None, seen.request}:
        found = _as_seen(replace(candidate or Candidate(seen.name), job=seen.name, request=seen.request), seen)
        if seen.status == "InProgress":
            return StopTraining(seen.name, replace(run, candidate=replace(found, stop_asked=True)))
        return Wait(replace(run, candidate=found)) if seen.status not in _ENDED else Rest()
    quiet_at = (run.ended_at or now) + STRAY_LIMIT
    return Wait(run, min(now + _STRAY_LOOK, quiet_at)) if known is None and now < quiet_at else Rest()


def is_watched(run: Run) -> bool:
    """Tell whether a run has ended without its job having been seen to end."""
    ended = run.state in {RunState.STOPPED, RunState.FAILED}
    return ended and (run.candidate is None or run.candidate.status in {"", "InProgress", "Stopping"})


def halt(run: Run, now: float) -> Move | None:
    """End a run that a person stopped before its model was registered; None where nobody did, or it is too late."""
    if run.stopping is None or run.package is not None:
        return None
    return end(run, RunState.STOPPED, now, f"{_stopped_by(run.stopping)} Its model is not used.", _AGAIN)


def _as_seen(candidate: Candidate, seen: JobSeen) -> Candidate:
    return replace(
        candidate,
        status=seen.status,
        secondary=seen.secondary,
        reason=seen.reason,
        model_uri=seen.model_uri,
        metrics=dict(seen.metrics),
        started_at=seen.started_at,
        ended_at=seen.ended_at,
        billable_seconds=seen.billable_seconds,
    )


def _vanished(run: Run, candidate: Candidate, now: float) -> Step:
    since = candidate.ended_at if candidate.status == "Vanished" and candidate.ended_at is not None else now
    if now - since < VANISHED_LIMIT:
        return Wait(replace(run, candidate=replace(candidate, status="Vanished", secondary="", ended_at=since)))
    return end(
        run,
        RunState.FAILED,
        now,
        f"SageMaker knows no training job named {candidate.job} any more.",
        _ANOTHER,
    )


def _failed(run: Run, seen: JobSeen, now: float) -> Move | NoRoom:
    reason = seen.reason or "SageMaker gives no reason."
    if is_shortage(reason):
        return NoRoom(run, reason)
    return end(run, RunState.FAILED, now, reason, f"Read the training log. {_ANOTHER}")


def _stopped(run: Run, seen: JobSeen, now: float) -> Move:
    if seen.secondary == "MaxRuntimeExceeded" or "MaxRuntimeExceeded" in (seen.reason or ""):
        return end(
            run,
            RunState.FAILED,
            now,
            "Training ran longer than max_runtime_seconds allows and was stopped (MaxRuntimeExceeded).",
            "Raise max_runtime_seconds in [train] or make the training shorter, push it, and drop again.",
        )
    return end(run, RunState.STOPPED, now, "The training job was stopped by hand.", _ANOTHER)


def _stopped_by(command: Command) -> str:
    return f"Stopped {command.told.rstrip('.')}."


def _called_off(run: Run, seen: JobSeen, now: float) -> Move:
    if run.stopping is None:
        return end(run, RunState.STOPPED, now, "No sealed dataset points at this run any more.")
    return end(run, RunState.STOPPED, now, f"{_stopped_by(run.stopping)}{_came_too_late(seen)}", _AGAIN)


def _came_too_late(seen: JobSeen) -> str:
    """Say honestly what the job had come to by itself."""
    match seen.status:
        case "Completed":
            return " Its training had completed by then; the model is not used."
        case "Failed":
            return f" Its training had failed by then: {seen.reason or 'SageMaker gives no reason.'}"
        case _:
            return ""


def _taken(run: Run, job: str, now: float) -> Move:
    return end(
        run,
        RunState.FAILED,
        now,
        f"The name {job} belongs to a training job that this run did not ask for.",
        "Give this deployment a prefix or a stage of its own in the account.",
    )
