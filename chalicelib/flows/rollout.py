"""Carries out what a release decided: every act is done before the record that tells of it, and can be done again."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import assert_never

from chalicelib.decide import release as decide
from chalicelib.decide import release_steps as steps
from chalicelib.errors import (
    AlreadyExistsError,
    ConflictError,
    NotFoundError,
    RefusedError,
    ThrottledError,
    UnavailableError,
)
from chalicelib.flows.ledger import Ledger
from chalicelib.flows.outcomes import Outcomes
from chalicelib.flows.rehearsal import SmokeTests
from chalicelib.flows.setups import Setups
from chalicelib.flows.turn import Turn
from chalicelib.model import Entry, Lease, Release, Target
from chalicelib.names import Names
from chalicelib.ports import Clock, Hosting, Records


@dataclass(frozen=True, slots=True)
class Rollout:
    hosting: Hosting
    records: Records
    clock: Clock
    names: Names
    setups: Setups
    tests: SmokeTests
    ledger: Ledger
    outcomes: Outcomes
    turn: Turn
    holder: str
    """Who this worker is, in a lease."""
    lease_seconds: float

    def act(self, sight: decide.Sight, step: steps.Step) -> bool:
        """Carry out one step; tell whether another may follow at once."""
        match step:
            case steps.Rest():
                self.outcomes.rest(sight.release)
                return False
            case steps.Wait(seconds):
                self._wait(sight.release, seconds)
                return False
            case steps.Remove(endpoint, why):
                return self._remove(sight, endpoint, why)
            case steps.Update(target):
                self._update(sight.release, target)
                return False  # an update takes minutes, and one that was not taken is asked for again in one
            case steps.Start() | steps.Rehearse() | steps.Test() | steps.Create() | steps.Warn():
                self._go_on(sight, step)
                return True
            case _:
                self._conclude(sight, step)
                return True

    def _go_on(self, sight: decide.Sight, step: steps.Going) -> None:
        release = sight.release
        match step:
            case steps.Start():
                self.turn.start(release, _there(release.pending))
            case steps.Rehearse():
                self._rehearse(release, _there(release.desired))
            case steps.Test(endpoint):
                self._test(sight, endpoint)
            case steps.Create(target):
                self._create(release, target)
            case steps.Warn():
                self.outcomes.warn_clients(release, _there(release.desired))
            case _:
                assert_never(step)

    def _conclude(self, sight: decide.Sight, step: steps.Outcome) -> None:
        release, outcomes = sight.release, self.outcomes
        match step:
            case steps.RollOut():
                outcomes.roll_out(release, *self._desired(release))
            case steps.MakeLive():
                outcomes.make_live(release, *self._desired(release))
            case steps.Fail(reason):
                outcomes.fail(sight, _there(release.desired), reason)
            case steps.RollBack(reason):
                outcomes.roll_back(sight, _there(release.desired), reason)
            case steps.Restore(reason):
                outcomes.restore(release, _there(release.live), reason)
            case steps.Restored():
                outcomes.restored(release, _there(release.live))
            case steps.Tidy():
                outcomes.tidy(release, _there(release.desired))
            case _:
                assert_never(step)

    def _desired(self, release: Release) -> tuple[Target, int]:
        """Give the desired target and how many smoke tests it has passed."""
        desired = _there(release.desired)
        return desired, len(self.setups.of_target(release.pipeline, desired).smoke)

    def _wait(self, release: Release, seconds: float) -> None:
        now = self.clock()
        if release.due is None or release.due <= now:
            self.records.save(replace(release, due=now + seconds))
        if seconds < decide.LOOK_AGAIN:
            self.turn.timer.wake(f"release:{release.pipeline}", seconds=math.ceil(seconds))

    def _rehearse(self, release: Release, desired: Target) -> None:
        name = self.names.rehearsal(release.pipeline, desired.digest)
        self._ensure(release.pipeline, desired)
        try:
            self.hosting.create_endpoint(name, desired.config)
        except AlreadyExistsError:
            return  # described next
        self._made(release, desired, self._asked("rehearsing", release, name, desired))

    def _test(self, sight: decide.Sight, endpoint: str) -> None:
        release = sight.release
        setup = self.setups.of_target(release.pipeline, _there(release.desired))
        try:
            failure = self.tests.failure(endpoint, setup)
        except UnavailableError as error:
            if not decide.is_overdue(sight):
                raise
            failure = f"the endpoint took no request: {error.message.rstrip('.')}"
        self._conclude(sight, decide.tested(sight, failure))

    def _create(self, release: Release, target: Target) -> None:
        name = self.names.endpoint(release.pipeline)
        self._ensure(release.pipeline, target)
        self.outcomes.warn_clients(release, target)
        try:
            self.hosting.create_endpoint(name, target.config)
        except AlreadyExistsError:
            return  # described next
        self._made(release, target, self._asked("endpoint created", release, name, target))

    def _update(self, release: Release, target: Target) -> None:
        """Ask for the update under a lease. Given back, it was asked for; run out, it may have been."""
        name = self.names.endpoint(release.pipeline)
        self._ensure(release.pipeline, target)
        lease = Lease(self.holder, self.clock() + self.lease_seconds)
        leased = self.records.save(replace(release, lease=lease, attempts=release.attempts + 1))
        try:
            self.hosting.update_endpoint(name, target.config)
        except (ThrottledError, UnavailableError):
            # The call is over: should SageMaker have taken it all the same, the endpoint will show it.
            self._end_lease(leased, lease, replace(leased, lease=release.lease, attempts=release.attempts))
            raise
        except (ConflictError, NotFoundError, RefusedError) as error:
            refused = Entry(self.clock(), "update not taken", {"reason": error.message})
            self._end_lease(leased, lease, replace(leased, lease=replace(lease, until=refused.at)), refused)
            return
        entry = self._asked("update asked for", release, name, target)
        self._end_lease(leased, lease, replace(leased, lease=None, stage_since=entry.at), entry)
        self.ledger.note(target, entry)

    def _end_lease(self, leased: Release, lease: Lease, ended: Release, *entries: Entry) -> None:
        """End the lease, also where somebody else wrote the release meanwhile: only its holder may."""
        seen: Release | None = leased
        while seen is not None and seen.lease == lease:
            after = replace(
                seen,
                lease=ended.lease,
                attempts=ended.attempts,
                stage_since=ended.stage_since,
                due=self.clock() + decide.LOOK_AGAIN,
            )
            try:
                self.records.save(after, *entries)
            except ConflictError:
                seen = self.records.release(leased.pipeline)
            else:
                return

    def _remove(self, sight: decide.Sight, endpoint: str, why: str) -> bool:
        """Delete an endpoint, unless it is not any more what the decision saw: somebody may have remade it."""
        if self.hosting.endpoint(endpoint) not in {sight.endpoint, sight.rehearsal}:
            return True
        try:
            self.hosting.delete_endpoint(endpoint)
        except ConflictError:
            self._wait(sight.release, decide.LOOK_AGAIN)
            return False
        entry = Entry(self.clock(), "endpoint deleted", {"endpoint": endpoint, "why": why})
        self.records.note(f"release:{sight.release.pipeline}", entry)
        return True

    def _asked(self, what: str, release: Release, endpoint: str, target: Target) -> Entry:
        attempt = release.attempts + 1
        return Entry(self.clock(), what, {"endpoint": endpoint, "config": target.config, "attempt": attempt})

    def _made(self, release: Release, target: Target, entry: Entry) -> None:
        after = replace(release, attempts=release.attempts + 1, stage_since=entry.at, due=entry.at + decide.LOOK_AGAIN)
        self.ledger.record(release, after, entry, target)

    def _ensure(self, pipeline: str, target: Target) -> None:
        """See that the target's model and configuration exist, exactly as it names them."""
        setup = self.setups.of_target(pipeline, target)
        if (setup.model.name, setup.config.name) != (target.model, target.config):
            return  # planned by an earlier release of ours: it made them, and this one would make others
        try:
            self.hosting.ensure_model(setup.model)
            self.hosting.ensure_config(setup.config)
        except ConflictError as error:
            raise RefusedError(error.message) from error


def _there(target: Target | None) -> Target:
    if target is None:
        raise AssertionError("This step is only decided where the target is there.")
    return target
