"""One check: what is wrong, what would be trained, and what would become of the live model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, cast

from chalicelib.decide.changes import SERVING, TRAINING, Edit, edits
from chalicelib.decide.keys import OVERRIDES, Refusal, folder
from chalicelib.decide.layout import Survey
from chalicelib.decide.proposal import Put, propose
from chalicelib.errors import NotFoundError, RefusedError, UnavailableError
from chalicelib.flows.checks import drop as drops
from chalicelib.flows.checks.folder import Folder
from chalicelib.flows.checks.given import Drop, PipelineFolder
from chalicelib.flows.seal import Resolved
from chalicelib.model import Dataset, Release, Run, Target
from chalicelib.names import run12
from chalicelib.pipeline import PipelineRefused, Problem, Version
from chalicelib.simulated import Journal, SimulatedWorld, SimulationEnd
from chalicelib.wiring import Flows

if TYPE_CHECKING:
    from chalicelib.wiring import Ports


@dataclass(frozen=True, slots=True)
class Training:
    """Whether a run would be trained (None: nobody can know here), and what its identity would change by."""

    trains: bool | None
    why: str
    edits: tuple[Edit, ...] = ()
    run: Run | None = None
    """The run that the content is already."""
    id: str | None = None
    job: str | None = None


@dataclass(frozen=True, slots=True)
class Serving:
    """What the push would do to the live model."""

    rolls_out: bool
    what: str
    edits: tuple[Edit, ...] = ()
    release: Release | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    problems: tuple[Problem, ...]
    refusal: Refusal | None = None
    """Of the dataset."""
    training: Training | None = None
    serving: Serving | None = None
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problems and self.refusal is None


@dataclass
class Check:
    """The world is read through a simulation, so that no part of a check can write."""

    real: Ports
    given: PipelineFolder
    drop: Drop | None = None

    def verdict(self) -> Verdict:
        try:
            return self._judge()
        except SimulationEnd as end:
            raise UnavailableError(str(end)) from end

    def _judge(self) -> Verdict:
        survey = drops.survey(self.drop, self.given.name, self.real.settings.bucket) if self.drop else None
        try:
            version = self._folder.version(self._folder.parse())
        except PipelineRefused as refusal:
            shape = survey if isinstance(survey, Refusal) else None
            return Verdict(refusal.problems, shape, notes=self._notes)
        resolved = self._resolve(survey, version)
        if isinstance(resolved, Refusal):
            return Verdict((), resolved, None, self._serving(version), self._notes)
        known = self.drop is not None and isinstance(survey, Survey) and drops.is_whole(self.drop)
        training = self._training(resolved, survey.digest if known and isinstance(survey, Survey) else None)
        return Verdict((), None, training, self._serving(version), self._notes)

    @property
    def _notes(self) -> tuple[str, ...]:
        told = drops.note(self.drop) if self.drop else None
        return (*self._folder.notes, *([told] if told else []))

    @cached_property
    def _flows(self) -> Flows:
        return Flows(cast("Ports", SimulatedWorld(self.real, Journal(self.real.clock))))

    @cached_property
    def _folder(self) -> Folder:
        return Folder(self._flows, self.given)

    def _resolve(self, survey: Survey | Refusal | None, version: Version) -> Resolved | Refusal:
        """Check the dataset against the pipeline, run.toml included, as sealing does."""
        if survey is None:
            return Resolved(version, version.pipeline)
        if isinstance(survey, Refusal):
            return survey
        if self.drop is not None and self.drop.overrides is not None:
            key = folder(survey.dataset) + OVERRIDES
            self._flows.world.bucket.write(key, self.drop.overrides.encode())  # into the simulation alone
        seen = self._flows.world.records.dataset(survey.dataset) or Dataset(survey.dataset)
        return self._flows.datasets.seals.resolve(seen, survey, version)

    def _training(self, resolved: Resolved, digest: str | None) -> Training:
        """Say what a run would be named by, and whether there is one of that name."""
        folder, name = self._folder, self.given.name
        if folder.accepted is None:
            return Training(True, "no version of this pipeline has been accepted yet")
        changes = edits(folder.accepted.pipeline, resolved.version.pipeline, TRAINING) + self._code_edits(resolved)
        if changes:
            return Training(True, "what a run is named by changes: every dataset would be trained anew", changes)
        if folder.changed is None:
            return Training(None, "what lies in the bucket is not what was accepted, so nobody can compare the code")
        if digest is None:
            why = "nothing that a run is named by changes: content that is known already is not trained again"
            return Training(None if self.drop else False, why)
        identity = resolved.run_id(digest, name)
        run = self._flows.world.records.run(identity)
        if run is not None:
            return Training(False, f"this content is run {run12(identity)} already", run=run, id=identity)
        job = self.real.settings.names.job(name, identity, 0, 1)
        return Training(True, "this content is new", id=identity, job=job)

    def _code_edits(self, resolved: Resolved) -> tuple[Edit, ...]:
        changed = self._folder.changed or frozenset()
        code = self._folder.code(resolved.pipeline.train.source_dir)
        return tuple(Edit(path, "as accepted", "changed") for path in code if path in changed)

    def _serving(self, version: Version) -> Serving:
        world, name = self._flows.world, self.given.name
        release = world.records.release(name)
        live = release.live if release else None
        run = world.records.run(live.run) if live else None
        if release is None or live is None or run is None:
            return Serving(False, "nothing is live", release=release)
        now = self._flows.versions.load(name, live.version).pipeline
        changes = edits(now, version.pipeline, SERVING)
        rolls, what = self._rollout(release, live, run, version)
        return Serving(rolls, what, changes, release)

    def _rollout(self, release: Release, live: Target, run: Run, version: Version) -> tuple[bool, str]:
        """Plan the live run under the new version, as a release does when it is told of one."""
        try:
            setup = self._flows.releases.turn.setups.setup(run, version, "pipeline edited", live)
        except (NotFoundError, RefusedError) as error:
            return False, error.message
        if setup is None:
            return False, "the live model stays: the file deploys no more"
        if setup.target.digest == live.digest:
            return False, "the live model stays as it is"
        if not isinstance(propose(release, setup.target, self.real.clock()), Put):
            return False, "nothing is rolled out: the release knows that already"
        return True, "the live model would be rehearsed and rolled out anew"
