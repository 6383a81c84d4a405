"""A yard for dataset tests: a world in memory, the dataset machine in it, and what a person and S3 do."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from chalicelib.decide.start import Wish
from chalicelib.errors import NotFoundError
from chalicelib.events import UploadSeen
from chalicelib.flows.datasets import Datasets
from chalicelib.flows.outbox import Outbox
from chalicelib.flows.reconcile import Reconcile
from chalicelib.flows.report import Report
from chalicelib.flows.sight import Sight
from chalicelib.flows.start import Started, Starts
from chalicelib.model import Command, Dataset, DatasetId, PipelineRecord, Run, RunState, S3Object
from chalicelib.names import run12
from chalicelib.pipeline import Version, parse, write_values
from chalicelib.settings import Settings
from tests.fakes.world import SETTINGS, World

MNIST = DatasetId("digits", "mnist")
TRAIN = '[train]\nframework = "sklearn"\nsource_dir = "src"\nentry_point = "train.py"\n'
FIRST, SECOND = "datasets/digits/mnist/training/0/a.png", "datasets/digits/mnist/training/1/b.png"


class ShelfOfVersions:
    """Accepted versions by digest, as flows/versions.py would read them from the bucket."""

    def __init__(self) -> None:
        self.by_digest: dict[str, Version] = {}

    def load(self, pipeline: str, digest: str) -> Version:
        if digest not in self.by_digest:
            raise NotFoundError(f"There is no version {digest} of {pipeline}.")
        return self.by_digest[digest]


class NoPipelines:
    """The pipeline machine, as far as a sweep talks to it."""

    def __init__(self) -> None:
        self.told: list[tuple[str, float]] = []
        self.advanced: list[str] = []

    def uploaded(self, name: str, at: float) -> None:
        self.told.append((name, at))

    def advance(self, name: str) -> None:
        self.advanced.append(name)


class NoReleases:
    def __init__(self) -> None:
        self.sweeps = 0

    def advance(self, pipeline: str) -> None:
        raise AssertionError(pipeline)

    def sweep_rehearsals(self) -> tuple[str, ...]:
        self.sweeps += 1
        return ()


class IdleRuns:
    """The run machine, as far as a reconcile talks to it: it only says that it was asked."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.advanced: list[str] = []

    def advance(self, run12: str) -> None:
        self.advanced.append(run12)


class Yard:
    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.world = World(settings)
        self.versions = ShelfOfVersions()
        self.ready: list[str] = []
        """Runs that were handed over, in order."""
        self.pipelines = NoPipelines()
        self.releases = NoReleases()
        self.runs = IdleRuns(self.world)
        self.events: list[UploadSeen] = []
        self.batches = 0
        self.wakes = 0
        self.restart()

    def restart(self) -> None:
        """Begin a new process: whatever the old one had in memory is gone."""
        world = self.world
        report = Report(bucket=world.bucket, records=world.records, clock=world.clock)
        self.datasets = Datasets(
            bucket=world.bucket,
            records=world.records,
            timer=world.timer,
            clock=world.clock,
            settings=world.settings,
            versions=self.versions,
            report=report,
            run_ready=self.ready.append,
        )
        self.outbox = Outbox(records=world.records, bus=world.bus, clock=world.clock)
        sight = Sight(bucket=world.bucket, records=world.records, versions=self.versions)
        self.starts = Starts(records=world.records, settings=world.settings, sight=sight, advance=self.datasets.advance)
        self.reconcile = Reconcile(
            bucket=world.bucket,
            records=world.records,
            clock=world.clock,
            pipelines=self.pipelines,
            datasets=self.datasets,
            runs=self.runs,
            releases=self.releases,
            outbox=self.outbox,
        )

    # What a person does.

    def pipeline(self, toml: str = TRAIN, *, name: str = "digits", code: str = "c0de") -> None:
        """Accept a version of a pipeline, and wake who waited for it."""
        digest = f"{len(self.versions.by_digest):064x}"
        self.versions.by_digest[digest] = Version(digest, parse(toml), "code", code, "code", code)
        record = self.world.records.pipeline(name) or PipelineRecord(name)
        self.world.records.save(PipelineRecord(name, version=digest, last_seen=self.world.clock(), rev=record.rev))
        self.datasets.pipeline_accepted(name)

    def start(
        self,
        dataset: str | None = "mnist",
        *,
        channels: Mapping[str, str] | None = None,
        values: Mapping[str, Any] | None = None,
        request: str = "",
        pipeline: str = "digits",
    ) -> Started:
        """Ask for a run."""
        command = Command("arn:ada", self.world.clock(), "by hand")
        named = None if channels else dataset
        said = write_values(values or {})
        return self.starts.start(Wish(pipeline, command, named, channels or {}, said, request))

    def put(self, key: str, body: str | bytes = "x", *, told: bool = True) -> S3Object:
        """Upload an object; its event is under way, unless nobody is told."""
        found = self.world.bucket.put(key, body)
        if told:
            self.events.append(UploadSeen(f"m{len(self.events)}", key, found.size, self.world.clock()))
        return found

    # What S3, SQS and the clock do.

    def deliver(self, *, batch: int = 100, shuffle: random.Random | None = None, copies: int = 1) -> None:
        """Deliver all events under way in batches."""
        events, self.events = self.events * copies, []
        if shuffle:
            shuffle.shuffle(events)
        for start in range(0, len(events), batch):
            self.batch(events[start : start + batch])

    def batch(self, events: Sequence[UploadSeen]) -> None:
        self.batches += 1
        assert self.datasets.uploaded(events) == ()

    def wake(self) -> None:
        """Deliver the wake-ups that have arrived."""
        for subject in self.world.timer.due():
            self.wakes += 1
            pipeline, _, name = subject.removeprefix("dataset:").partition("/")
            self.datasets.advance(DatasetId(pipeline, name))

    def wait(self, seconds: float, *, step: float = 5) -> None:
        """Let time pass, and deliver what comes due meanwhile."""
        end = self.world.clock() + seconds
        self.deliver()
        self.wake()
        while self.world.clock() < end:
            self.world.clock.advance(min(step, end - self.world.clock()))
            self.wake()

    def tick(self, minutes: int = 1) -> None:
        """Let the schedule alone work."""
        for _ in range(minutes):
            self.world.clock.advance(60)
            self.reconcile.tick()

    # What a test looks at.

    def dataset(self, dataset: DatasetId = MNIST) -> Dataset:
        found = self.world.records.dataset(dataset)
        assert found is not None
        return found

    def run(self, dataset: DatasetId = MNIST) -> Run:
        found = self.world.records.run(self.dataset(dataset).run or "")
        assert found is not None
        return found

    def all_runs(self) -> tuple[Run, ...]:
        return self.world.records.runs(limit=1000).items

    def status(self, dataset: DatasetId = MNIST) -> dict[str, Any]:
        found: dict[str, Any] = self.world.bucket.peek_json(f"status/{dataset}.json")
        return found

    def begin_training(self) -> None:
        """Let the run machine take its first step with every run that is new."""
        for run in self.all_runs():
            if run.state is RunState.PREPARING:
                saved = self.world.records.run(run12(run.id))
                assert saved is not None
                self.world.records.save(replace(saved, state=RunState.TRAINING, due=saved.created_at + 60))
