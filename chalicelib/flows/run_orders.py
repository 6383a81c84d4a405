"""A person's hand on a run: each order is remembered before anything is done, and the run machine carries it out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import assert_never

from chalicelib.decide import run_orders as decide
from chalicelib.decide.approval import open_since
from chalicelib.decide.orders import Already, Refuse, later_than
from chalicelib.errors import ConflictError, NotFoundError, NotNowError, ThrottledError, UnavailableError
from chalicelib.flows.again import until_undisturbed
from chalicelib.flows.turn import Propose
from chalicelib.model import Command, Run
from chalicelib.names import run12
from chalicelib.ports import Package, Records, Registry, Timer


@dataclass(frozen=True, slots=True)
class Ordered:
    """What became of an order: `changed` tells whether it did anything that was not done already."""

    changed: bool
    what: str
    run: Run


@dataclass(frozen=True, slots=True)
class RunOrders:
    records: Records
    registry: Registry
    timer: Timer
    advance: Callable[[str], None]
    propose: Propose
    held: Callable[[Run], bool]
    """Whether a sealed dataset still has a run's files."""

    def stop(self, name: str, command: Command) -> Ordered:
        return self._obey(name, lambda run: decide.stop(run, self.records.release(run.pipeline), command))

    def retry(self, name: str, command: Command) -> Ordered:
        return self._tell_pause(self._obey(name, lambda run: self._retry(run, command)))

    def approve(self, name: str, command: Command) -> Ordered:
        ordered = self._obey(
            name,
            lambda run: decide.approve(
                run, self._package(run), self.records.release(run.pipeline), self._last(run, command)
            ),
        )
        return self._tell_pause(ordered)

    def reject(self, name: str, command: Command) -> Ordered:
        return self._obey(
            name,
            lambda run: decide.reject(run, self._package(run), self.records.release(run.pipeline), command),
        )

    def _retry(self, run: Run, command: Command) -> decide.Answer:
        return decide.retry(run, self.records.release(run.pipeline), self._last(run, command), held=self.held(run))

    def _last(self, run: Run, command: Command) -> Command:
        """Date an order after those approvals that a worker may have died of, whatever its clock said."""
        return later_than(open_since(self.records.runs(pipeline=run.pipeline).items), command)

    def _package(self, run: Run) -> Package | None:
        return self.registry.describe(run.package) if run.package else None

    def _obey(self, name: str, decision: Callable[[Run], decide.Answer]) -> Ordered:
        ordered = until_undisturbed(lambda _: self._obey_once(name, decision))
        # Also where nothing changed: an order that is repeated may be one that was not carried out.
        self._carry_out(ordered.run)
        return Ordered(ordered.changed, ordered.what, self._known(name))

    def _obey_once(self, name: str, decision: Callable[[Run], decide.Answer]) -> Ordered:
        run = self._known(name)
        match decision(run):
            case Refuse(why):
                raise NotNowError(why, state=run.state.value)
            case Already(what):
                return Ordered(changed=False, what=what, run=run)
            case decide.Offer(entry, what, wanted):
                self.records.note(f"run:{run12(run.id)}", entry)
                self.propose(run, wanted, decide.RETRY)
                return Ordered(changed=True, what=what, run=run)
            case decide.Change(changed, entry, what):
                return Ordered(changed=True, what=what, run=self.records.save(changed, entry))
            case never:
                assert_never(never)

    def _tell_pause(self, ordered: Ordered) -> Ordered:
        """Say who holds what was ordered; what only ends things is never held."""
        pause = self.records.paused(ordered.run.pipeline) if ordered.changed else None
        return replace(ordered, what=f"{ordered.what} {pause.holding}") if pause else ordered

    def _carry_out(self, run: Run) -> None:
        """Let the machine go on at once; where it cannot now, the run is due, and it is woken."""
        try:
            self.advance(run12(run.id))
        except (ConflictError, ThrottledError, UnavailableError):
            self.timer.wake(f"run:{run12(run.id)}", seconds=0)

    def _known(self, name: str) -> Run:
        run = self.records.run(name)
        if run is None:
            raise NotFoundError(f'There is no run "{name}".')
        return run
