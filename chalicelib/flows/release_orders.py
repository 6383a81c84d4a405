"""A person's hand on a release: each order is remembered before anything is done; the machine goes on from there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from chalicelib.decide import release_orders as decide
from chalicelib.decide.approval import open_since, unfit
from chalicelib.decide.orders import Already, Refuse, later_than
from chalicelib.errors import NotFoundError, NotNowError
from chalicelib.flows.again import until_undisturbed
from chalicelib.flows.ledger import Ledger
from chalicelib.flows.setups import Setups
from chalicelib.model import Approval, Command, Entry, Release, Run, RunState, Target
from chalicelib.names import Names, is_pipeline, run12
from chalicelib.ports import Records, Registry, Timer

_ELSEWHERE = "; `rollback --to` goes to another version."


@dataclass(frozen=True, slots=True)
class Ordered:
    """What became of an order: `changed` tells whether it did anything that was not done already."""

    changed: bool
    what: str
    release: Release


@dataclass(frozen=True, slots=True)
class Orders:
    records: Records
    timer: Timer
    names: Names
    setups: Setups
    registry: Registry
    ledger: Ledger

    def roll_back(self, pipeline: str, command: Command, version: int | None = None) -> Ordered:
        """Give up what is on its way, or bring back what was live before; with a version, serve that one."""
        if version is None:
            return self._obey(pipeline, lambda release: decide.roll_back(release, self._last(release, command)))
        return self._obey(
            pipeline,
            lambda release: decide.roll_back_to(release, self._target(release, version), self._last(release, command)),
        )

    def undeploy(self, pipeline: str, command: Command) -> Ordered:
        """Take down all that serves, so that nothing of it costs money."""
        return self._obey(
            pipeline, lambda release: decide.undeploy(release, self._last(release, command), self._sealed(pipeline))
        )

    def redeploy(self, pipeline: str, command: Command) -> Ordered:
        """Bring back what was undeployed, or try again what failed last."""
        return self._obey(pipeline, lambda release: self._redeploy(release, self._last(release, command)))

    def _obey(self, pipeline: str, decision: Callable[[Release], decide.Answer]) -> Ordered:
        ordered = until_undisturbed(lambda _: self._obey_once(pipeline, decision))
        # Also where nothing changed: an order that is repeated may be one whose wake-up was lost.
        self.timer.wake(f"release:{pipeline}", seconds=0)
        return self._tell_pause(ordered)

    def _tell_pause(self, ordered: Ordered) -> Ordered:
        """Say who holds what was ordered; what ends or comes back is never held."""
        wants = ordered.changed and ordered.release.pending is not None
        pause = self.records.paused(ordered.release.pipeline) if wants else None
        return replace(ordered, what=f"{ordered.what} {pause.holding}") if pause else ordered

    def _obey_once(self, pipeline: str, decision: Callable[[Release], decide.Answer]) -> Ordered:
        release = self.records.release(pipeline) if is_pipeline(pipeline) else None
        if release is None:
            raise NotFoundError(f'The pipeline "{pipeline}" has released nothing.')
        match decision(release):
            case Refuse(why):
                raise NotNowError(why, stage=str(release.stage))
            case Already(what):
                return Ordered(changed=False, what=what, release=release)
            case decide.Change() as change:
                self._check_fit(change.release.pending)
                saved = self.ledger.record(release, change.release, change.entry, change.about)
                self._tell_dropped(change)
                return Ordered(changed=True, what=change.what, release=saved)

    def _check_fit(self, wanted: Target | None) -> None:
        """Refuse at once what would be dropped when its turn comes."""
        run = self.records.run(wanted.run) if wanted else None
        why = unfit(run) if run else None
        if run and why:
            raise NotNowError(f"The run {run12(run.id)} cannot serve: {why}{_ELSEWHERE}")

    def _tell_dropped(self, change: decide.Change) -> None:
        for target in change.dropped:
            if change.about is None or target.run != change.about.run:
                self.ledger.note(target, Entry(change.entry.at, "given up", {"why": change.entry.what}))

    def _redeploy(self, release: Release, command: Command) -> decide.Answer:
        missed = decide.missed(release)
        if isinstance(missed, Already | Refuse):
            return missed
        run = self._known_run(missed.run) if isinstance(missed, Target) else self._newest(missed)
        return decide.redeploy(release, self._plan(run), command)

    def _last(self, release: Release, command: Command) -> Command:
        """Date an order after the approvals that are still to be carried out: it was given after them."""
        return later_than(open_since(self.records.runs(pipeline=release.pipeline).items), command)

    def _sealed(self, pipeline: str) -> list[float]:
        """Say when the newest runs sealed, by whatever clock: an undeploy is later than all of them."""
        return [run.sealed_at for run in self.records.runs(pipeline=pipeline).items]

    def _target(self, release: Release, version: int) -> Target:
        """Find what a version number of the model's packages names; the registry knows what the release forgot."""
        slots = (release.live, release.pending, release.desired, release.previous, release.retired)
        known = next((each.run for each in slots if each is not None and each.model_version == version), None)
        run = known or self.registry.run_of(self.names.group(release.pipeline), version)
        found = self._known_run(run) if run else None
        if found is None or found.pipeline != release.pipeline:  # anybody may put a package into a group
            raise NotFoundError(f"The model {release.pipeline} has no version {version}.", version=version)
        target = self._plan(found)
        if target.model_version != version:
            raise NotNowError(
                f"Version {version} is an earlier one of run {run12(found.id)}: it is {target.model_version} now."
            )
        return target

    def _plan(self, run: Run) -> Target:
        """Plan a run as its pipeline serves now."""
        if run.approval is Approval.PENDING:
            raise NotNowError(f"The run {run12(run.id)} waits for approval: approve it instead.")
        if run.state is not RunState.REGISTERED:
            told = f"The run {run12(run.id)} is {run.state.value}"
            raise NotNowError(f"{told}: only a registered model can serve{_ELSEWHERE}")
        setup = self.setups.setup(run, self.setups.newest(run), "")
        if setup is None:
            raise NotNowError(f"The pipeline {run.pipeline} deploys nothing: its [deploy] says so.")
        return setup.target

    def _newest(self, runs: Sequence[str]) -> Run:
        found = next((run for name in runs if (run := self.records.run(name)) is not None), None)
        if found is None:
            raise NotNowError("What failed is not known any more: `rollback --to` names a version.")
        return found

    def _known_run(self, name: str) -> Run:
        found = self.records.run(name)
        if found is None:
            raise NotFoundError(f"There is no run {run12(name)} any more.")
        return found
