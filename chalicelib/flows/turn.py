"""How a target gets its turn: into the pending slot, and out of it past its gate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from chalicelib.decide import release as decide
from chalicelib.decide.approval import unfit
from chalicelib.decide.gate import Passed, Rejected, judge
from chalicelib.decide.orders import clear_failures, wanted_by
from chalicelib.decide.proposal import (
    Known,
    Older,
    Put,
    Undeployed,
    failed_runs,
    note_failure,
    propose,
    standing,
    why_dropped,
)
from chalicelib.decide.serving import Setup
from chalicelib.flows.ledger import Ledger
from chalicelib.flows.setups import Setups
from chalicelib.model import Command, Entry, Release, ReleaseStage, Run, Target
from chalicelib.pipeline import Version
from chalicelib.ports import Clock, Records, Timer

Facts = dict[str, str | int | float | bool | None]


class Propose(Protocol):
    """How a run machine lets a registered run ask for its release; `wanted` where a person asks for it, and why."""

    def __call__(self, run: Run, wanted: Command | None = None, cause: str = "approved") -> None: ...


@dataclass(frozen=True, slots=True)
class Turn:
    records: Records
    timer: Timer
    clock: Clock
    setups: Setups
    ledger: Ledger

    def propose(self, run: Run, wanted: Command | None = None, cause: str = "approved") -> None:
        """Put a registered run into the pending slot, unless the release knows it or has a newer one.

        One that a person wants is the newest there is, and what the release has refused of it is forgotten.
        """
        setup = self.setups.setup(run, self.setups.newest(run), "trained")
        release = self.records.release(run.pipeline) or Release(run.pipeline)
        if setup is not None and wanted is not None:
            self._offer(clear_failures(release, run.id), wanted_by(setup.target, wanted, cause))
        elif setup is not None:
            self._offer(release, setup.target)

    def start(self, release: Release, pending: Target) -> None:
        """Let the pending target meet its gate, as the pipeline stands now and beside what is live now."""
        now = self.clock()
        run = self.records.run(pending.run)
        setup = self._setup(run, pending) if run else None
        emptied = replace(release, pending=None, due=now + decide.LOOK_AGAIN)
        if run is not None and (why := unfit(run)):
            self.ledger.record(release, emptied, Entry(now, "dropped", {"why": why}), pending)
        elif setup is None:
            self.ledger.record(
                release, emptied, Entry(now, "dropped", {"why": "the pipeline deploys nothing"}), pending
            )
        elif (why := why_dropped(emptied, setup.target, propose(emptied, setup.target, now))) is not None:
            self.ledger.record(release, emptied, Entry(now, "dropped", {"why": why}), pending)
        else:
            self._begin(release, emptied, setup)

    def _setup(self, run: Run, pending: Target) -> Setup | None:
        """Plan a pending target as its pipeline stands now; what a person wants, as it stood when they wanted it."""
        if pending.by is None:
            return self.setups.setup(run, self.setups.newest(run), pending.cause, pending)
        setup = self.setups.setup(run, self.setups.version(run, pending.version), pending.cause, pending)
        return setup and replace(setup, target=replace(setup.target, order=pending.order, by=pending.by))

    def update(self, release: Release, version: Version) -> None:
        """Let an edit of [gate] [deploy] [serve] act on the newest model that the release has.

        Where none stands, it acts on the newest that failed: the edit may be its cure.
        """
        held = max(standing(release), key=lambda each: each.order, default=None)
        run = self.records.run(held.run) if held else self._newest_failed(release)
        setup = self.setups.setup(run, version, "pipeline edited", held) if run else None
        live = release.live
        if setup is None:
            return
        if held is not None:
            # An edit is newer than the model it acts on by its version alone, also than one that a person wanted.
            setup = replace(
                setup, target=replace(setup.target, order=(held.order[0], setup.target.order[1]), by=held.by)
            )
        known = isinstance(propose(release, setup.target, self.clock()), Known)
        if known and live is not None and live.digest == setup.target.digest:
            self._judge_again(release, live, setup)
        elif not known:
            self._offer(release, setup.target)

    def _begin(self, release: Release, emptied: Release, setup: Setup) -> None:
        now, live, generation = self.clock(), release.live, release.generation + 1
        target = replace(setup.target, generation=generation)
        rival = live.metrics if live is not None and live.run != target.run else None
        lease = release.lease if release.lease and release.lease.until > now else None
        chosen = replace(decide.enter(emptied, emptied.stage, now), desired=target, lease=lease, rolled_back=None)
        by_hand = Passed(f"passed by hand, by {target.by}") if target.by is not None else None
        match by_hand or judge(setup.gate, target.metrics, rival):
            case Rejected(reason):
                self.ledger.record(
                    release, note_failure(chosen, target, reason), Entry(now, "failed", {"reason": reason}), target
                )
            case Passed(why):
                stage = ReleaseStage.REHEARSING if setup.rehearse else ReleaseStage.ROLLING_OUT
                facts: Facts = {
                    "generation": generation,
                    "cause": target.cause,
                    "gate": why,
                    "rehearse": setup.rehearse,
                }
                begun = replace(chosen, stage=stage, generation=generation)
                self.ledger.record(release, begun, Entry(now, "started", facts), target)

    def _offer(self, release: Release, target: Target) -> None:
        now = self.clock()
        match propose(release, target, now):
            case Known():
                return
            case Undeployed(told):
                self.ledger.note(target, Entry(now, "not released", {"why": told}))
            case Older(than):
                entry = Entry(now, "not released", {"why": "a newer one has come", "newer": than.run})
                self.ledger.note(target, entry)
            case Put(after, replaced):
                self.ledger.record(release, after, Entry(now, "pending", {"cause": target.cause}), target)
                if replaced is not None and replaced.run != target.run:
                    self.ledger.note(replaced, Entry(now, "replaced", {"by": target.run}))
                self.timer.wake(f"release:{release.pipeline}", seconds=0)

    def _judge_again(self, release: Release, live: Target, setup: Setup) -> None:
        """Nothing is rolled out: the live model is judged by the gate as it is now, and that is noted, once."""
        order = max(live.order, setup.target.order)
        if (live.version, live.order) == (setup.target.version, order):
            return
        now = self.clock()
        verdict = judge(setup.gate, live.metrics, None)
        told = verdict.why if isinstance(verdict, Passed) else f"the live model would not pass: {verdict.reason}"
        kept = replace(live, version=setup.target.version, order=order)
        desired = kept if release.desired is not None and release.desired.digest == live.digest else release.desired
        after = replace(release, live=kept, desired=desired, due=now)
        self.ledger.record(release, after, Entry(now, "pipeline edited", {"gate": told, "rolls_out": False}), live)
        self.timer.wake(f"release:{release.pipeline}", seconds=0)

    def _newest_failed(self, release: Release) -> Run | None:
        runs = [run for name in failed_runs(release) if (run := self.records.run(name)) is not None]
        return max(runs, key=lambda run: run.sealed_at, default=None)
