"""The release machine: from a registered model to the one that clients meet, and back on any doubt."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

from chalicelib.decide import release as decide
from chalicelib.decide.proposal import note_failure
from chalicelib.errors import NotFoundError, RefusedError, ThrottledError, UnavailableError
from chalicelib.events import EndpointChanged
from chalicelib.flows.again import step_by_step, until_undisturbed
from chalicelib.flows.clearing import Clearing
from chalicelib.flows.ledger import Ledger
from chalicelib.flows.outcomes import Outcomes
from chalicelib.flows.rehearsal import ReadAnswer, SmokeTests, sweep
from chalicelib.flows.release_orders import Orders
from chalicelib.flows.report import Report
from chalicelib.flows.rollout import Rollout
from chalicelib.flows.setups import Setups
from chalicelib.flows.turn import Turn
from chalicelib.flows.update import EndpointUpdate
from chalicelib.model import Command, Entry, Release, ReleaseStage, Run
from chalicelib.pipeline import Versions
from chalicelib.ports import Bucket, Clock, Hosting, Records, Registry, Timer
from chalicelib.predict import answer
from chalicelib.settings import Settings

STEPS = 30
"""Steps one call takes at most; a release needs a dozen."""
LEASE_SECONDS = decide.LATE_CALLS
"""Who held a lease that has run out is dead."""


class Releases:
    """Level-triggered: each call looks at the release and its endpoints as they are now and goes on from there."""

    def __init__(
        self,
        *,
        bucket: Bucket,
        records: Records,
        timer: Timer,
        clock: Clock,
        settings: Settings,
        versions: Versions,
        hosting: Hosting,
        registry: Registry,
        report: Report,
        holder: str | None = None,
        lease_seconds: float = LEASE_SECONDS,
        read: ReadAnswer = answer.read,
    ) -> None:
        self.records = records
        self.timer = timer
        self.clock = clock
        self.names = settings.names
        self.hosting = hosting
        self.versions = versions
        setups = Setups(records=records, versions=versions, registry=registry, settings=settings)
        ledger = Ledger(records=records, report=report)
        worker = holder or uuid4().hex
        clearing = Clearing(hosting, records, clock, worker, lease_seconds)
        self.turn = Turn(records, timer, clock, setups, ledger)
        self.orders = Orders(records, timer, settings.names, setups, registry, ledger)
        self.rollout = Rollout(
            hosting=hosting,
            records=records,
            clock=clock,
            names=settings.names,
            setups=setups,
            tests=SmokeTests(bucket=bucket, hosting=hosting, clock=clock, read=read),
            ledger=ledger,
            outcomes=Outcomes(hosting, records, clock, settings.names, setups, ledger, clearing),
            turn=self.turn,
            update=EndpointUpdate(hosting, records, clock, settings.names, ledger, worker, lease_seconds),
        )

    def endpoint_changed(self, changed: EndpointChanged) -> None:
        pipeline = self.names.endpoint_pipeline(changed.name)
        if pipeline is not None:
            self.advance(pipeline)

    def advance(self, pipeline: str) -> None:
        """Take the release as far as it goes now. ConflictError where others kept changing it."""
        step_by_step(lambda: self._advance_once(pipeline), steps=STEPS)

    def propose(self, run: Run, wanted: Command | None = None, cause: str = "approved") -> None:
        """Let a registered run ask for the pending slot; `wanted` where a person asks for it."""
        until_undisturbed(lambda _: self.turn.propose(run, wanted, cause))

    def update(self, pipeline: str) -> None:
        """Tell the release of the pipeline's newest version: its [gate] [deploy] [serve] act on what is live."""
        until_undisturbed(lambda _: self._update(pipeline))

    def sweep_rehearsals(self) -> tuple[str, ...]:
        """Delete forgotten rehearsal endpoints (one LIST page); give their names."""
        return sweep(self.hosting, self.records, self.names)

    def _advance_once(self, pipeline: str) -> bool:
        """Take one step; tell whether another may follow at once."""
        release = self.records.release(pipeline)
        if release is None:
            return False
        sight = self._gather(release)
        try:
            return self.rollout.act(sight, decide.next_step(sight))
        except (ThrottledError, UnavailableError) as error:
            return self._put_off(release, error.message)
        except (RefusedError, NotFoundError) as error:
            return self._refused(sight, error.message)

    def _gather(self, release: Release) -> decide.Sight:
        rehearsal, undeploying = None, release.stage is ReleaseStage.UNDEPLOYING
        if release.desired is not None and (undeploying or not decide.settled(release)):
            rehearsal = self.hosting.endpoint(self.names.rehearsal(release.pipeline, release.desired.digest))
        endpoint = self.hosting.endpoint(self.names.endpoint(release.pipeline))
        sight = decide.Sight(release, self.clock(), endpoint, rehearsal, holder=self.rollout.update.holder)
        if release.stage is ReleaseStage.ROLLING_OUT:
            told = self.records.serving(release.pipeline)
            is_warned = told is not None and told.live and not told.exact
            return replace(sight, warned=release.warned_at if is_warned else None)
        return self._see_what_is_told(sight) if undeploying or _is_idle_without_a_model(release) else sight

    def _see_what_is_told(self, sight: decide.Sight) -> decide.Sight:
        told = self.records.serving(sight.release.pipeline)
        return replace(sight, told_live=told is not None and told.live, warned=sight.release.warned_at)

    def _put_off(self, release: Release, reason: str) -> bool:
        """Leave the release open when AWS asks to come again later."""
        now = self.clock()
        entry = Entry(now, "trying again later", {"reason": reason})
        self.records.save(replace(release, due=now + decide.LOOK_AGAIN), entry)
        self.timer.wake(f"release:{release.pipeline}", seconds=round(decide.LOOK_AGAIN))
        return False

    def _refused(self, sight: decide.Sight, reason: str) -> bool:
        """End what SageMaker will not do; bringing the live configuration back is never given up."""
        release = sight.release
        if release.stage in {ReleaseStage.REHEARSING, ReleaseStage.ROLLING_OUT}:
            return self.rollout.act(sight, decide.give_up(sight, reason))
        if release.stage is ReleaseStage.IDLE and release.pending is not None:
            # Wanted and failed, as if it had begun: so it is cleared away, and told of, as any other.
            after = replace(note_failure(release, release.pending, reason), pending=None, desired=release.pending)
            entry = Entry(sight.now, "failed", {"reason": reason})
            self.rollout.ledger.record(release, after, entry, release.pending)
            return True
        return self._put_off(release, reason)

    def _update(self, pipeline: str) -> None:
        record = self.records.pipeline(pipeline)
        release = self.records.release(pipeline)
        if record is not None and record.version is not None and release is not None:
            self.turn.update(release, self.versions.load(pipeline, record.version))


def _is_idle_without_a_model(release: Release) -> bool:
    return release.stage is ReleaseStage.IDLE and release.live is None
