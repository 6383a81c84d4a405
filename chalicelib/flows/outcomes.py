"""How the stages of a release end: live, failed, rolled back, restored; what clients are told, what is cleared away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from chalicelib.decide import release as decide
from chalicelib.decide.proposal import note_failure
from chalicelib.decide.serving import serving_of
from chalicelib.errors import ConflictError, RefusedError
from chalicelib.flows.clearing import Clearing
from chalicelib.flows.ledger import Ledger
from chalicelib.flows.setups import Setups
from chalicelib.model import Entry, Release, ReleaseStage, Target
from chalicelib.names import Names
from chalicelib.ports import Clock, EndpointSeen, Hosting, Records


@dataclass(frozen=True, slots=True)
class Outcomes:
    hosting: Hosting
    records: Records
    clock: Clock
    names: Names
    setups: Setups
    ledger: Ledger
    clearing: Clearing

    def rest(self, release: Release) -> None:
        """Close a release on which nothing is open; what a crash kept from being told is told first."""
        told = release.live is not None and self.tell_clients(release.pipeline, release.live, exact=True)
        if release.due is not None:
            self.ledger.report_again(release.live, release.previous, release.retired)
            self.ledger.report_newest(release)
            self.records.save(replace(release, due=None))
        elif told and self.records.release(release.pipeline) != release:
            raise ConflictError  # who wrote meanwhile has told something newer: it is told again

    def roll_out(self, release: Release, desired: Target, tests: int) -> None:
        now = self.clock()
        after = decide.enter(release, ReleaseStage.ROLLING_OUT, now)
        entry = Entry(now, "rehearsal passed", {"smoke_tests": tests, "known": _known(tests)})
        self.ledger.record(release, _open(after, now), entry, desired)

    def make_live(self, release: Release, desired: Target, tests: int) -> None:
        """Tell clients, clear away what is older than the model before, and remember."""
        now, old = self.clock(), release.live
        self.tell_clients(release.pipeline, desired, exact=True)
        entry = Entry(
            now, "live", {"model_version": desired.model_version, "smoke_tests": tests, "known": _known(tests)}
        )
        with self._cleared(release, (release.previous,), keep=(desired, old, release.pending)) as cleared:
            self.ledger.report_again(release.previous)  # this release names it no more
            after = replace(
                decide.enter(cleared, ReleaseStage.IDLE, now),
                live=desired,
                previous=old or release.previous,
                lease=None,
                retired=None,
                undeployed=None,
            )
            self.ledger.record(cleared, _open(after, now), entry, desired)
        if old is not None and old.run != desired.run:
            self.ledger.note(old, Entry(now, "replaced", {"by": desired.run}))

    def fail(self, sight: decide.Sight, desired: Target, reason: str) -> None:
        """Give the desired target up where clients meet the live configuration, or none at all."""
        release, now = sight.release, self.clock()
        if release.live is not None and decide.serves(sight.endpoint, release.live):
            self.tell_clients(release.pipeline, release.live, exact=True)
        after = replace(decide.enter(note_failure(release, desired, reason), ReleaseStage.IDLE, now), lease=None)
        self.ledger.record(release, _open(after, now), Entry(now, "failed", {"reason": reason}), desired)

    def roll_back(self, sight: decide.Sight, desired: Target, reason: str) -> None:
        """Give the desired target up and begin to bring the live configuration back.

        An endpoint that serves the desired configuration shows that the holder of the lease has made its call.
        """
        release, now = sight.release, self.clock()
        lease = None if decide.serves(sight.endpoint, desired) else release.lease
        after = replace(
            decide.enter(note_failure(release, desired, reason), ReleaseStage.ROLLING_BACK, now), lease=lease
        )
        self.ledger.record(release, _open(after, now), Entry(now, "rolling back", {"reason": reason}), desired)

    def restore(self, release: Release, live: Target, reason: str) -> None:
        now = self.clock()
        self.tell_clients(release.pipeline, live, exact=False)
        after = decide.enter(release, ReleaseStage.ROLLING_BACK, now)
        self.ledger.record(release, _open(after, now), Entry(now, "restoring", {"reason": reason}), live)

    def restored(self, release: Release, live: Target) -> None:
        now = self.clock()
        self.tell_clients(release.pipeline, live, exact=True)
        after = replace(decide.enter(release, ReleaseStage.IDLE, now), lease=None)
        self.ledger.record(release, _open(after, now), Entry(now, "back", {"config": live.config}), live)

    def tidy(self, release: Release, failed: Target) -> None:
        """Delete the failed target's model and configuration, and want what is live again.

        Also where a pending one is made of the same: it may be dropped, and makes them anew where it is not.
        """
        now = self.clock()
        with self._cleared(release, (failed,), keep=(release.live, release.previous)) as cleared:
            after = _open(replace(cleared, desired=release.live), now)
            self.ledger.record(cleared, after, Entry(now, "cleared away", {"config": failed.config}))
        self.ledger.report_again(failed)

    def withdraw(self, release: Release) -> None:
        """Tell clients that nothing is live: they are refused before the endpoint goes."""
        told = self.records.serving(release.pipeline)
        if told is not None and told.live:
            self.records.serve(replace(told, live=False, endpoint=None, exact=True))
        self._remember_warning(release)

    def retire(self, release: Release) -> None:
        """Delete what made up the endpoints that are gone; model packages and artifacts stay."""
        now = self.clock()
        gone = [each for each in (release.desired, release.previous, release.retired) if each is not None]
        entry = Entry(now, "undeployed", {"configurations": len({target.config for target in gone})})
        with self._cleared(release, gone, keep=()) as cleared:
            idle = decide.enter(cleared, ReleaseStage.IDLE, now)
            after = replace(idle, desired=None, previous=None, lease=None)
            self.ledger.record(cleared, _open(after, now), entry, release.retired)

    def exact_again(self, release: Release, endpoint: EndpointSeen | None) -> None:
        """Tell clients who answers while a rollout waits: nothing changes for now."""
        if release.live is not None and decide.serves(endpoint, release.live):
            self.tell_clients(release.pipeline, release.live, exact=True)

    def warn_clients(self, release: Release, desired: Target) -> None:
        """Say that from now on the container alone knows which model answered."""
        if release.live is not None:
            same = release.live.labels == desired.labels
            self.tell_clients(release.pipeline, release.live, exact=False, labelled=same)

    def warn_ahead(self, release: Release, desired: Target) -> None:
        """Warn clients, and remember when that was done: they are given time from then on."""
        self.warn_clients(release, desired)
        self._remember_warning(release)

    def _remember_warning(self, release: Release) -> None:
        """Take the time after the write: a worker that stalled before it must leave clients no less."""
        self.records.save(replace(release, warned_at=self.clock()))

    def tell_clients(self, pipeline: str, target: Target, *, exact: bool, labelled: bool = True) -> bool:
        """Write what the inference route reads; an item that says so already is left alone (False).

        Not `labelled`: plain scores may come from a model with other labels, so none are put to them.
        """
        setup = self.setups.of_target(pipeline, target)
        serving = serving_of(pipeline, setup, self.names.endpoint(pipeline), exact=exact)
        serving = serving if labelled else replace(serving, labels=())
        if self.records.serving(pipeline) == serving:
            return False
        self.records.serve(serving)
        return True

    @contextmanager
    def _cleared(
        self, release: Release, gone: Sequence[Target | None], *, keep: tuple[Target | None, ...]
    ) -> Iterator[Release]:
        """Clear away what this release wants no more; gives it with the lease, for the record of that.

        ConflictError where it has changed its mind: a person may want it again while a worker stalls between its look
        and its call. Then it is made again.
        """
        targets = [target for target in gone if target is not None]
        if not targets:
            yield release
            return
        with self.clearing.lease(release) as begun:
            for target in targets:
                self.clearing.targets(target, keep=keep)
            if (seen := self._changed(begun)) is not None:
                if _wants(seen) != _wants(release):
                    self._make_again(seen, {(target.config, target.model) for target in targets})
                raise ConflictError
            yield begun

    def _make_again(self, release: Release, gone: set[tuple[str, str]]) -> None:
        for wanted in (release.live, release.desired):
            if wanted is not None and (wanted.config, wanted.model) in gone:
                self.ensure(release.pipeline, wanted)

    def _changed(self, release: Release) -> Release | None:
        seen = self.records.release(release.pipeline)
        return seen if seen is not None and seen.rev != release.rev else None

    def ensure(self, pipeline: str, target: Target) -> bool:
        """See that the target's model and configuration exist, exactly as it names them.

        False where an earlier release of ours planned them: it made them, and this one would make others.
        """
        setup = self.setups.of_target(pipeline, target)
        if (setup.model.name, setup.config.name) != (target.model, target.config):
            return False
        try:
            self.hosting.ensure_model(setup.model)
            self.hosting.ensure_config(setup.config)
        except ConflictError as error:
            raise RefusedError(error.message) from error
        return True


def _wants(release: Release) -> tuple[ReleaseStage, Target | None, Target | None]:
    """Tell what it wants; another worker that clears away, too, changes nothing of that."""
    return release.stage, release.live, release.desired


def _open(release: Release, now: float) -> Release:
    return replace(release, due=now + decide.LOOK_AGAIN)


def _known(tests: int) -> str:
    if tests:
        return "InService, and every smoke test passed"
    return "InService and answering ping: no smoke test is configured"
