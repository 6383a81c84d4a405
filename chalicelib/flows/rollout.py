"""Carries out what a release decided: every act is done before the record that tells of it, and can be done again."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import assert_never

from chalicelib.decide import release as decide
from chalicelib.decide import release_steps as steps
from chalicelib.decide.pauses import look_again
from chalicelib.decide.shortage import lasting, trying, wait_more
from chalicelib.errors import AlreadyExistsError, ConflictError, ThrottledError, UnavailableError
from chalicelib.flows.ledger import Ledger
from chalicelib.flows.outcomes import Outcomes
from chalicelib.flows.rehearsal import SmokeTests
from chalicelib.flows.setups import Setups
from chalicelib.flows.turn import Turn
from chalicelib.flows.update import EndpointUpdate, asked
from chalicelib.model import Entry, Release, ReleaseStage, Target
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
    update: EndpointUpdate

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
                self._update(sight, target)
                return False  # an update takes minutes, and one that was not taken is asked for again in one
            case steps.Start() | steps.Rehearse() | steps.Test() | steps.Create() | steps.Warn() | steps.Postpone():
                return self._go_on(sight, step)
            case _:
                self._conclude(sight, step)
                return True

    def _go_on(self, sight: decide.Sight, step: steps.Going) -> bool:
        release = sight.release
        match step:
            case steps.Start():
                self.turn.start(release, _there(release.pending))
                return True
            case steps.Rehearse():
                return self._rehearse(sight, _there(release.desired))
            case steps.Test(endpoint):
                return self._test(sight, endpoint)
            case steps.Create(target):
                return self._create(sight, target)
            case steps.Warn():
                return self._warn(sight, _there(release.desired))
            case steps.Postpone(reason):
                return self._postpone(sight, reason)
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
            case steps.Withdraw():
                outcomes.withdraw(release)
            case steps.Retire():
                outcomes.retire(release)
            case _:
                assert_never(step)

    def _desired(self, release: Release) -> tuple[Target, int]:
        """Give the desired target and how many smoke tests it has passed."""
        desired = _there(release.desired)
        return desired, len(self.setups.of_target(release.pipeline, desired).smoke)

    def _wait(self, release: Release, seconds: float) -> None:
        now = self.clock()
        late = now + max(seconds, decide.LOOK_AGAIN)
        if release.due is None or not now < release.due <= late:
            self.records.save(replace(release, due=now + seconds))
        if seconds < decide.LOOK_AGAIN:
            self.turn.timer.wake(f"release:{release.pipeline}", seconds=math.ceil(seconds))

    def _rehearse(self, sight: decide.Sight, desired: Target) -> bool:
        release = sight.release
        name = self.names.rehearsal(release.pipeline, desired.digest)
        self._ensure(release, desired)
        if self._is_held(sight):
            return False
        try:
            self.hosting.create_endpoint(name, desired.config)
        except AlreadyExistsError:
            return True  # described next
        except ThrottledError as error:
            return self._postpone(sight, error.message)
        self._made(release, desired, asked("rehearsing", self.clock(), release, name, desired))
        return True

    def _test(self, sight: decide.Sight, endpoint: str) -> bool:
        release = sight.release
        setup = self.setups.of_target(release.pipeline, _there(release.desired))
        try:
            failure = self.tests.failure(endpoint, setup)
        except (ThrottledError, UnavailableError) as error:
            if not decide.is_silent(sight):
                return self._test_again(release, error.message)
            failure = f"the endpoint took no request: {error.message.rstrip('.')}"
        self._conclude(sight, decide.tested(sight, failure))
        return True

    def _test_again(self, release: Release, reason: str) -> bool:
        now = self.clock()
        silent = replace(release, silent_since=release.silent_since or now, due=now + decide.LOOK_AGAIN)
        self.records.save(silent, Entry(now, "trying again later", {"reason": reason}))
        self.turn.timer.wake(f"release:{release.pipeline}", seconds=math.ceil(decide.LOOK_AGAIN))
        return False

    def _create(self, sight: decide.Sight, target: Target) -> bool:
        release = sight.release
        name = self.names.endpoint(release.pipeline)
        self._ensure(release, target)
        if _is_new(release) and self._is_held(sight):
            return False
        self.outcomes.warn_clients(release, target)
        try:
            self.hosting.create_endpoint(name, target.config)
        except AlreadyExistsError:
            return True  # described next
        except ThrottledError as error:
            if not _is_new(release):
                raise
            return self._postpone(sight, error.message)
        self._made(release, target, asked("endpoint created", self.clock(), release, name, target))
        return True

    def _warn(self, sight: decide.Sight, desired: Target) -> bool:
        if self._is_held(sight):
            return False
        self.outcomes.warn_ahead(sight.release, desired)
        return True

    def _update(self, sight: decide.Sight, target: Target) -> None:
        release = sight.release
        self._ensure(release, target)
        if _is_new(release) and self._is_held(sight):
            return
        refusal = self.update.ask(release, target)
        if refusal is not None and not _is_new(release):
            raise refusal
        if refusal is not None:
            self._postpone_update(sight, target, refusal.message)

    def _postpone_update(self, sight: decide.Sight, target: Target, reason: str) -> None:
        """Wait for room, if the release is still where it was when the lease was given back."""
        seen = self.records.release(sight.release.pipeline)
        if seen is not None and (seen.stage, seen.desired) == (sight.release.stage, target):
            self._postpone(replace(sight, release=seen), reason)

    def _postpone(self, sight: decide.Sight, reason: str) -> bool:
        """Remember when to try again, or give the target up when its pipeline says so."""
        release, now, desired = sight.release, self.clock(), _there(sight.release.desired)
        limit = self.setups.of_target(release.pipeline, desired).capacity_wait
        shortage = wait_more(release.shortage, reason, now, limit)
        if shortage is None:
            told = f"AWS had no room for it within {lasting(limit)}: {reason}"
            self._conclude(sight, decide.give_up(sight, told))
            return True
        self._calm_clients(sight)
        after = replace(
            release, shortage=shortage, attempts=0, held=None, stage_since=now, due=shortage.next_at, warned_at=None
        )
        pause = (shortage.next_at or now) - now
        entry = Entry(now, "waiting for room", {"reason": reason, "tries": shortage.tries, "seconds": pause})
        self.ledger.record(release, after, entry, desired)
        return True

    def _is_held(self, sight: decide.Sight) -> bool:
        """Look, before a call that costs money, whether somebody paused it; if so, wait and say why."""
        release, now = sight.release, self.clock()
        pause = self.records.paused(release.pipeline)
        if pause is None:
            return False
        self._calm_clients(sight)
        held = replace(release, held=pause.told, warned_at=None, due=now + look_again(pause, now))
        if release.held == pause.told:
            self.records.save(held)
        else:
            self.ledger.record(release, held, Entry(now, "held", {"reason": pause.told}), _there(release.desired))
        return True

    def _calm_clients(self, sight: decide.Sight) -> None:
        if sight.release.stage is ReleaseStage.ROLLING_OUT:
            self.outcomes.exact_again(sight.release, sight.endpoint)

    def _remove(self, sight: decide.Sight, endpoint: str, why: str) -> bool:
        """Delete an endpoint, unless it is not any more what the decision saw: somebody may have remade it."""
        with self.outcomes.clearing.lease(sight.release):
            if self.hosting.endpoint(endpoint) not in {sight.endpoint, sight.rehearsal}:
                return True
            try:
                self.hosting.delete_endpoint(endpoint)
            except ConflictError:
                return False
            entry = Entry(self.clock(), "endpoint deleted", {"endpoint": endpoint, "why": why})
            self.records.note(f"release:{sight.release.pipeline}", entry)
        return True

    def _made(self, release: Release, target: Target, entry: Entry) -> None:
        after = replace(
            release,
            attempts=release.attempts + 1,
            stage_since=entry.at,
            shortage=trying(release.shortage),
            held=None,
            due=entry.at + decide.LOOK_AGAIN,
        )
        self.ledger.record(release, after, entry, target)

    def _ensure(self, release: Release, target: Target) -> None:
        """See that the target's model and configuration exist, and that it is wanted still."""
        if self.outcomes.ensure(release.pipeline, target):
            self._see_that_it_is_wanted(release, target)

    def _see_that_it_is_wanted(self, release: Release, target: Target) -> None:
        """Clear away what a worker that stalled has made too late; ConflictError where it has to look again."""
        seen = self.records.release(release.pipeline)
        if seen is None or seen.rev == release.rev:
            return
        keep = (seen.live, seen.desired, seen.previous, seen.pending)
        with self.outcomes.clearing.lease(seen):
            self.outcomes.clearing.targets(target, keep=keep)
        raise ConflictError


def _is_new(release: Release) -> bool:
    """Tell whether what is about to be made is not what clients meet already, or met before."""
    return release.stage is not ReleaseStage.ROLLING_BACK


def _there(target: Target | None) -> Target:
    if target is None:
        raise AssertionError("This step is only decided where the target is there.")
    return target
