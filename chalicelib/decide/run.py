"""What a run does next, from what is known of it and its training job: time and findings come in, a step goes out."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chalicelib.model import Candidate, Entry, Run, RunState
from chalicelib.ports import JobSeen, TrainingJob

LOOK_AGAIN = 60.0
"""Seconds until the reconcile looks at an open run by itself."""
VANISHED_LIMIT = 600.0
"""Seconds that a job may be unknown to SageMaker before the run says so: Describe may lag behind Create."""
ATTEMPTS = 3
"""Training jobs a run may start when SageMaker has no machines for them."""
_ANOTHER = (
    "Change the code, the hyperparameters or the data and drop again: what is the same in all of them is the same run, "
    "and is not tried again."
)


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing is open any more."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before SageMaker moves; `run` carries what was seen."""

    run: Run


@dataclass(frozen=True, slots=True)
class StartTraining:
    job: TrainingJob


@dataclass(frozen=True, slots=True)
class StopTraining:
    """No dataset holds the run any more: its job is to cost nothing further. `run` says who asked."""

    job: str
    run: Run


@dataclass(frozen=True, slots=True)
class Move:
    """Remember the run in its new state."""

    run: Run
    entry: Entry


@dataclass(frozen=True, slots=True)
class Register:
    labels: tuple[str, ...]
    why: str
    """Why the gate let it pass."""


Step = Rest | Wait | StartTraining | StopTraining | Move | Register


def prepare(run: Run, job: TrainingJob, seen: JobSeen | None, now: float) -> Step:
    """Start the job, or find it started: a name that is taken counts only with our own request digest."""
    if seen is None and run.superseded:
        return end(run, RunState.STOPPED, now, "No sealed dataset points at this run any more; nothing was started.")
    if seen is None:
        return StartTraining(job)
    if seen.request != job.request:
        return _taken(run, job.name, now)
    return begin(run, job, seen, now)


def begin(run: Run, job: TrainingJob, seen: JobSeen | None, now: float) -> Move:
    attempt = run.candidate.attempt if run.candidate else 1
    candidate = Candidate(job=job.name, attempt=attempt, request=job.request, status="InProgress", secondary="Starting")
    candidate = _as_seen(candidate, seen) if seen else candidate
    moved = replace(run, state=RunState.TRAINING, candidate=candidate, reason=None, todo=None, due=now + LOOK_AGAIN)
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
        case "Completed" | "Failed" | "Stopped" if run.superseded:
            return end(run, RunState.STOPPED, now, "No sealed dataset points at this run any more.")
        case "Completed":
            return Move(
                replace(run, state=RunState.EVALUATING, due=now + LOOK_AGAIN),
                Entry(now, "training completed", {"billable_seconds": seen.billable_seconds}),
            )
        case "Failed":
            return _failed(run, candidate, seen, now)
        case "Stopped":
            return take_up(run, now) if candidate.stop_asked else _stopped(run, seen, now)
        case "InProgress" if run.superseded:
            return StopTraining(candidate.job, replace(run, candidate=replace(candidate, stop_asked=True)))
        case _:
            return Wait(run)


def end(run: Run, state: RunState, now: float, reason: str, todo: str | None = None) -> Move:
    """End a run for good. It stays due once more: should this worker die before it tells the end, the next one does."""
    moved = replace(run, state=state, reason=reason, todo=todo, ended_at=now, due=now + LOOK_AGAIN)
    return Move(moved, Entry(now, state.value, {"reason": reason}))


def take_up(run: Run, now: float) -> Move:
    """Try a run again that ended for want of its files, now that a dataset holds them."""
    again = _next_attempt(run.candidate) if run.candidate else None
    moved = replace(
        run,
        state=RunState.PREPARING,
        candidate=again,
        superseded=False,
        reason=None,
        todo=None,
        ended_at=None,
        due=now + LOOK_AGAIN,
    )
    return Move(moved, Entry(now, "trying again: wanted again", {"attempt": again.attempt if again else 1}))


def is_lost(run: Run) -> bool:
    """Tell whether it ended for want of its files: the same content dropped again is to train."""
    return run.superseded and run.state in {RunState.STOPPED, RunState.FAILED}


def put_off(run: Run, reason: str, now: float) -> Move:
    """Leave a run open when AWS asks to come again later."""
    return Move(replace(run, reason=reason, due=now + LOOK_AGAIN), Entry(now, "trying again later", {"reason": reason}))


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


def _next_attempt(candidate: Candidate) -> Candidate:
    """Begin anew under a name of its own: SageMaker takes the name of a job once for ever."""
    return replace(candidate, attempt=candidate.attempt + 1, request="", status="", secondary="", stop_asked=False)


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


def _failed(run: Run, candidate: Candidate, seen: JobSeen, now: float) -> Move:
    reason = seen.reason or "SageMaker gives no reason."
    if reason.startswith("CapacityError") and candidate.attempt < ATTEMPTS and not run.superseded:
        again = _next_attempt(candidate)
        moved = replace(run, state=RunState.PREPARING, candidate=again, due=now + LOOK_AGAIN)
        return Move(moved, Entry(now, "trying again: no capacity", {"reason": reason, "attempt": again.attempt}))
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


def _taken(run: Run, job: str, now: float) -> Move:
    return end(
        run,
        RunState.FAILED,
        now,
        f"The name {job} belongs to a training job that this run did not ask for.",
        "Give this deployment a prefix or a stage of its own in the account.",
    )
