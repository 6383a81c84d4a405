"""What becomes of a registered model that a person approves or rejects, here or in SageMaker's own console. Pure.

The package's status in SageMaker is the truth. An order of ours is remembered first, then told to SageMaker, then
carried out; what somebody decided in SageMaker is remembered as if it had been ordered here, and carried out alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from chalicelib.decide.orders import newest
from chalicelib.decide.run_ends import LOOK_AGAIN, end
from chalicelib.decide.run_steps import Decide, LetIn, Move, Rest, Step, Wait
from chalicelib.decide.stage import is_served
from chalicelib.model import Approval, Command, Entry, Release, Run, RunState, Verdict
from chalicelib.names import run12
from chalicelib.ports import NOTE_LIMIT, Package

PENDING, APPROVED, REJECTED = "PendingManualApproval", "Approved", "Rejected"
REMEMBERED = 4
"""Notes of orders that were overtaken; a worker that stalls through more of them than these is dead."""
LONGEST_LOOK = 6 * 3600.0
"""Seconds until a run that awaits a person looks again by itself, at most: the news of it may be lost."""
_SAYS = {APPROVED: Approval.APPROVED, REJECTED: Approval.REJECTED}
_STILL = "It serves all the same, until `dropforge rollback` or `dropforge undeploy`."


def awaits(run: Run) -> str:
    """Say what a run that awaits a person needs."""
    name = run12(run.id)
    return f"Let it go live with `dropforge approve {name}`, or turn it away with `dropforge reject {name}`."


def is_open(run: Run) -> bool:
    """Tell whether an order is not carried out yet."""
    return run.verdict is not None and run.approval is not run.verdict.approval


def follow(run: Run, package: Package | None, release: Release | None, now: float) -> Step:
    """Go on with a run that has a package, by what SageMaker says of that."""
    if package is None:
        return _gone(run, now)
    verdict, says = run.verdict, _SAYS.get(package.approval)
    if verdict is not None and is_open(run) and says is verdict.approval:
        return _carry_out(run, verdict, release, now)
    if verdict is not None and says is not verdict.approval and _is_ours_to_tell(run, verdict, package):
        return Decide(package.arn, verdict.approved, note(verdict))
    if says is not None and says is not (run.approval or Approval.APPROVED):
        return _take_over(run, package, says, release, now)
    if run.approval is Approval.PENDING:
        return Wait(run, now + min(max((now - (run.ended_at or now)) / 4, LOOK_AGAIN), LONGEST_LOOK))
    return Rest()


def unfit(run: Run) -> str | None:
    """Say why a run's model may not be served after all: it was stopped, or a person rejected it meanwhile."""
    if run.state in {RunState.REJECTED, RunState.FAILED, RunState.STOPPED}:
        return f"its run is {run.state} now"
    turned_away = run.approval is Approval.REJECTED and not (run.verdict is not None and run.verdict.approved)
    return "a person rejected it" if turned_away else None


def note(verdict: Verdict) -> str:
    """Say in SageMaker's registry who decided, and why."""
    word = APPROVED if verdict.approved else REJECTED
    return " ".join(f"{word} {verdict.command.told}".split())[:NOTE_LIMIT]


def after(before: Verdict | None, verdict: Verdict, told: str | None) -> Verdict:
    """Let a verdict know the notes of those before it; `told` by SageMaker: before the first, that is the gate's."""
    notes = (*before.overtaken, note(before)) if before else (told or "",)
    known = tuple(each for each in dict.fromkeys(notes) if each not in {"", note(verdict)})
    return replace(verdict, overtaken=known[-REMEMBERED:])


def open_since(runs: Iterable[Run]) -> tuple[float, ...]:
    """Give the moments of approvals that are still to be carried out: an order that is given now comes after them."""
    return tuple(run.verdict.command.at for run in runs if run.verdict and run.verdict.approved and is_open(run))


def entry(verdict: Verdict) -> Entry:
    """Tell a timeline who decided, and why."""
    command = verdict.command
    return Entry(command.at, verdict.approval.value, {"by": command.by, "reason": command.reason})


def _is_ours_to_tell(run: Run, verdict: Verdict, package: Package) -> bool:
    """Tell whether SageMaker has not heard of an order yet, or has heard since of one before it.

    Anything else that it says was decided there, and is the last word.
    """
    late = package.note in verdict.overtaken and f"{package.note} ".startswith(f"{package.approval} ")
    return late or (is_open(run) and package.approval == verdict.seen)


def _take_over(run: Run, package: Package, says: Approval, release: Release | None, now: float) -> Move:
    """Remember what somebody decided in SageMaker; the order of then is the order of when we saw it."""
    command = newest(release, Command(package.by or "somebody in SageMaker", now, package.note))
    verdict = after(run.verdict, Verdict(says is Approval.APPROVED, command, package.approval), None)
    # Whoever decides there may leave the words that stood there: these tell no late worker from a person any more.
    verdict = replace(verdict, overtaken=tuple(each for each in verdict.overtaken if each != package.note))
    return Move(replace(run, verdict=verdict, due=now + LOOK_AGAIN), entry(verdict))


def _carry_out(run: Run, verdict: Verdict, release: Release | None, now: float) -> Step:
    if not verdict.approved:
        return _turn_away(run, verdict, release, now)
    if run.state is RunState.REJECTED:
        reopened = replace(run, state=RunState.REGISTERED, reason=None, todo=None, due=now + LOOK_AGAIN)
        return Move(reopened, Entry(now, "let in again"))
    return LetIn(verdict.command)


def let_in(run: Run, now: float) -> Move:
    """Remember that the release has been told."""
    known = replace(run, approval=Approval.APPROVED, reason=None, todo=None, due=now + LOOK_AGAIN)
    return Move(known, Entry(now, "let in", {"by": run.verdict.command.by if run.verdict else None}))


def _turn_away(run: Run, verdict: Verdict, release: Release | None, now: float) -> Move:
    """Reject the model; one that clients meet is not taken from them by that alone."""
    rejected = replace(run, approval=Approval.REJECTED)
    reason = f"Its model was rejected {verdict.command.told.rstrip('.')}."
    if is_served(run, release):
        kept = replace(rejected, reason=reason, todo=_STILL, due=now + LOOK_AGAIN)
        return Move(kept, Entry(now, "kept serving", {"reason": reason}))
    todo = f"`dropforge approve {run12(run.id)}` lets it go live after all."
    ended = end(rejected, RunState.REJECTED, now, reason, todo)
    return Move(ended.run, Entry(now, "turned away", {"reason": reason}))


def _gone(run: Run, now: float) -> Step:
    if run.approval is not Approval.PENDING and not is_open(run):
        return Rest()
    reason = "Its model package was deleted in SageMaker before anybody approved it."
    return end(replace(run, verdict=None), RunState.FAILED, now, reason, "`dropforge retry` trains it once more.")
