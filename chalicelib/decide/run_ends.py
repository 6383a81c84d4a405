"""How an attempt of a run ends, is put off, and begins again under another name."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.decide.run_steps import Move
from chalicelib.decide.shortage import times, told, wait_more
from chalicelib.model import Candidate, Entry, Run, RunState

LOOK_AGAIN = 60.0
"""Seconds until the reconcile looks at an open run by itself."""
REFUSED_LOOK = 6 * 3600.0
"""Seconds until a run that has ended tries again what AWS refuses."""


def end(run: Run, state: RunState, now: float, reason: str, todo: str | None = None) -> Move:
    """End a run for good. It stays due once more: should this worker die before it tells the end, the next one does."""
    moved = replace(run, state=state, reason=reason, todo=todo, ended_at=now, due=now + LOOK_AGAIN)
    return Move(moved, Entry(now, state.value, {"reason": reason}))


def put_off(run: Run, reason: str, now: float) -> Move:
    """Leave a run open when AWS asks to come again later; one that has ended keeps the reason of that."""
    told = run.reason if run.state.final else reason
    return Move(replace(run, reason=told, due=now + LOOK_AGAIN), Entry(now, "trying again later", {"reason": reason}))


def refuse(run: Run, reason: str, now: float, todo: str) -> Move:
    """End a run with what AWS will not do; one that has ended is looked at again, but rarely."""
    if not run.state.final:
        return end(run, RunState.FAILED, now, reason, todo)
    return Move(replace(run, due=now + REFUSED_LOOK), Entry(now, "cannot go on", {"reason": reason}))


def take_up(run: Run, now: float) -> Move:
    """Try a run again that ended for want of its files, now that a dataset holds them."""
    again = anew(run, now)
    return Move(again, Entry(now, "trying again: wanted again", {"attempt": attempt_of(again)}))


def anew(run: Run, now: float) -> Run:
    """Begin again under names of its own; nothing of the attempt before counts any more."""
    return replace(
        run,
        state=RunState.PREPARING,
        candidate=_next_attempt(run.candidate or Candidate("")),
        labels=(),
        package=None,
        approval=None,
        verdict=None,
        superseded=False,
        stopping=None,
        retried=None,
        shortage=None,
        compared=None,
        reason=None,
        todo=None,
        ended_at=None,
        due=now + LOOK_AGAIN,
    )


def attempt_of(run: Run) -> int:
    return run.candidate.attempt if run.candidate else 1


def is_lost(run: Run) -> bool:
    """Tell whether it ended for want of its files: the same content dropped again is to train."""
    return run.superseded and run.stopping is None and run.state in {RunState.STOPPED, RunState.FAILED}


def wait_for_room(run: Run, reason: str, now: float, limit: float) -> Move:
    """Try again when that is due, or give up after `limit` seconds; after a job that failed so, under another name."""
    waiting = wait_more(run.shortage, reason, now, limit)
    tries = (run.shortage.tries if run.shortage else 0) + 1
    if waiting is None or waiting.next_at is None:
        return end(
            replace(run, shortage=None),
            RunState.FAILED,
            now,
            f"AWS had no room for the training job ({reason.rstrip('.')}), tried {times(tries)}.",
            "Ask AWS for more (Service Quotas), take another instance_type, or raise capacity_wait_seconds in [train]; "
            "then `dropforge retry`.",
        )
    failed = run.candidate is not None and run.candidate.status == "Failed"
    moved = replace(
        run,
        state=RunState.PREPARING,
        candidate=_next_attempt(run.candidate) if run.candidate and failed else run.candidate,
        shortage=waiting,
        reason=told(waiting),
        due=waiting.next_at,
    )
    facts: dict[str, str | int | float | bool | None] = {"reason": reason, "tries": waiting.tries}
    facts["seconds"] = round(waiting.next_at - now)
    return Move(moved, Entry(now, "waiting for room", facts))


def _next_attempt(candidate: Candidate) -> Candidate:
    """Begin anew under a name of its own: SageMaker takes the name of a job once for ever."""
    return replace(candidate, attempt=candidate.attempt + 1, request="", status="", secondary="", stop_asked=False)
