"""What a person's order makes of a run: what is remembered, what is done already, or why it makes no sense now. Pure.

Each order is safe to repeat. What is remembered here is carried out by the run machine, whoever advances it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from chalicelib.decide.approval import APPROVED, after, entry, is_open
from chalicelib.decide.orders import Already, Refuse, newest
from chalicelib.decide.run_ends import anew, attempt_of
from chalicelib.decide.stage import failure_of, is_served, stage_of
from chalicelib.model import Approval, Command, Entry, Release, Run, RunState, Target, Verdict
from chalicelib.names import run12
from chalicelib.ports import Package

RETRY = "retry"
"""Why a target is wanted: Target.cause."""
OPEN_FOR = 300.0
"""Seconds for which an order that is being carried out stands against its opposite; a longer one is stuck."""
_SERVED = "`dropforge rollback` or `dropforge undeploy` takes a live model back."


@dataclass(frozen=True, slots=True)
class Change:
    """What to save, and with which line on the timeline."""

    run: Run
    entry: Entry
    what: str


@dataclass(frozen=True, slots=True)
class Offer:
    """Nothing of the run changes: its release is to try its model again. The run's timeline says who asked, and why."""

    entry: Entry
    what: str
    command: Command
    """The order, later than all that the release has."""


Answer = Change | Offer | Already | Refuse


def stop(run: Run, release: Release | None, command: Command) -> Answer:
    """Let it cost nothing further: nothing is started any more, and SageMaker is told to end its job."""
    name = run12(run.id)
    if run.state is RunState.STOPPED and run.stopping is not None:
        return Already(f"The run {name} was stopped {run.stopping.told}.")
    if run.state.final or run.package is not None:
        told = stage_of(run, release) if run.state.final else "about to be registered"
        advice = f" {_SERVED}" if is_served(run, release) else ""
        return Refuse(f"The run {name} is {told}: there is nothing left to stop.{advice}")
    if run.stopping is not None:
        return Already(f"The run {name} is being stopped {run.stopping.told}.")
    told = f"It is being stopped {command.told.rstrip('.')}."
    stopping = replace(run, stopping=command, reason=told, due=command.at)
    return Change(stopping, _asked("stop asked for", command), f"The run {name} is being stopped.")


def retry(run: Run, release: Release | None, command: Command, *, held: bool) -> Answer:
    """Try it again: what failed, was stopped or rejected trains under a new name; what its release refused is offered.

    `held`: whether a sealed dataset still has its files.
    """
    if not run.state.final:
        return _retry_open(run)
    if run.approval is Approval.REJECTED:
        return Refuse(f"A person rejected the model of run {run12(run.id)}: approve it instead.")
    if run.state is RunState.REGISTERED:
        return _retry_release(run, release, command)
    if run.superseded or not held:
        return Refuse(f"No dataset holds the files of run {run12(run.id)} any more: drop them again.")
    again = replace(anew(run, command.at), retried=command, due=command.at)
    what = f"The run {run12(run.id)} is tried again: attempt {attempt_of(again)}."
    return Change(again, _asked("retry asked for", command, attempt=attempt_of(again)), what)


def approve(run: Run, package: Package | None, release: Release | None, command: Command) -> Answer:
    """Let a registered model go live; `package` as SageMaker has it now."""
    name = run12(run.id)
    if (no := _without_package(run, package, release)) or package is None:
        return no or Refuse(f"The run {name} has no model package.")
    if run.verdict is not None and is_open(run) and run.verdict.approved:
        return Already(f"The model of run {name} is being approved {run.verdict.command.told}.")
    if package.approval == APPROVED and run.approval in {None, Approval.APPROVED} and not is_open(run):
        by = f" {run.verdict.command.told}" if run.verdict else " by its gate"
        return Already(f"The model of run {name} was approved{by}.")
    return _decided(run, package, Verdict(approved=True, command=newest(release, command), seen=package.approval))


def reject(run: Run, package: Package | None, release: Release | None, command: Command) -> Answer:
    """Keep a registered model from going live; one that clients meet is taken back in other ways."""
    name = run12(run.id)
    if (no := _without_package(run, package, release)) or package is None:
        return no or Refuse(f"The run {name} has no model package.")
    if is_served(run, release):
        return Refuse(f"The model of run {name} is {stage_of(run, release)}: roll back or undeploy first. {_SERVED}")
    if run.verdict is not None and not run.verdict.approved:
        told = "is being" if is_open(run) else "was"
        return Already(f"The model of run {name} {told} rejected {run.verdict.command.told}.")
    return _decided(run, package, Verdict(approved=False, command=command, seen=package.approval))


def _decided(run: Run, package: Package, verdict: Verdict) -> Change | Refuse:
    """Take an order, unless its opposite is being carried out: SageMaker may be about to hear of that one."""
    name, before = run12(run.id), run.verdict
    if before is not None and is_open(run) and verdict.command.at < before.command.at + OPEN_FOR:
        told = f"{before.approval.value} {before.command.told.rstrip('.')}"
        return Refuse(f"The model of run {name} is being {told}; try again in a minute.")
    what = f"The model of run {name} is {verdict.approval.value}."
    verdict = after(before, verdict, package.note)
    return Change(replace(run, verdict=verdict, due=verdict.command.at), entry(verdict), what)


def _without_package(run: Run, package: Package | None, release: Release | None) -> Refuse | None:
    """Say why there is nothing to decide of."""
    name, stage = run12(run.id), stage_of(run, release)
    if not run.state.final:
        return Refuse(f"The run {name} is {stage}: it has no registered model yet.")
    if run.package is None or run.state in {RunState.FAILED, RunState.STOPPED}:
        return Refuse(f"The run {name} is {stage} and has no registered model; `dropforge retry` trains it once more.")
    return Refuse(f"The model package of run {name} was deleted in SageMaker.") if package is None else None


def _retry_open(run: Run) -> Already | Refuse:
    name = run12(run.id)
    if run.stopping is not None:
        return Refuse(f"The run {name} is being stopped {run.stopping.told.rstrip('.')}; retry when it has stopped.")
    if run.retried is not None:
        return Already(f"The run {name} is being tried again {run.retried.told}: attempt {attempt_of(run)}.")
    return Refuse(f"The run {name} is {run.state}: there is nothing to try again; `dropforge stop` ends it.")


def _retry_release(run: Run, release: Release | None, command: Command) -> Offer | Already | Refuse:
    name, stage = run12(run.id), stage_of(run, release)
    if any(target.cause == RETRY for target in _targets(release, run)) and stage != "release-failed":
        return Already(f"The release of run {name} is being tried again, or was: it is {stage}.")
    if failure_of(run, release) is not None and stage == "release-failed":
        asked = _asked("retry asked for", command)
        return Offer(asked, f"The model of run {name} is offered to its release again.", newest(release, command))
    if run.approval is Approval.PENDING:
        return Refuse(f"The model of run {name} awaits approval: approve or reject it.")
    return Refuse(f"The run {name} is {stage}: nothing of it has failed.")


def _targets(release: Release | None, run: Run) -> tuple[Target, ...]:
    slots = (release.live, release.desired, release.pending) if release else ()
    return tuple(target for target in slots if target is not None and target.run == run.id)


def _asked(what: str, command: Command, **more: int) -> Entry:
    return Entry(command.at, what, {"by": command.by, "reason": command.reason, **more})
