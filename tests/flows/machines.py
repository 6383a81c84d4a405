"""Both machines over one world in memory, with the events, the reconcile and SageMaker in the test's hand."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypedDict, Unpack

from chalicelib.decide.release import WARNING
from chalicelib.events import EndpointChanged, JobChanged
from chalicelib.flows.handover import Handover
from chalicelib.flows.releases import Releases
from chalicelib.flows.report import Report
from chalicelib.flows.run_orders import RunOrders
from chalicelib.flows.runs import Runs
from chalicelib.flows.versions import Content, Payload, Versions
from chalicelib.model import (
    Channel,
    Command,
    Comparison,
    Dataset,
    DatasetId,
    DatasetState,
    PipelineRecord,
    Release,
    Run,
)
from chalicelib.names import dataset_status_key, run12
from chalicelib.pipeline import Version, parse
from chalicelib.pipeline.sourcedir import pack
from chalicelib.ports import Bucket, Clock
from chalicelib.settings import Settings
from tests.fakes.world import SETTINGS, World

PIPELINE = "digits"
METRICS = {"validation:accuracy": 0.97}
LABELS = ("1", "7")
TRAIN = """
[train]
framework = "sklearn"
source_dir = "src"
entry_point = "train.py"
environment = { LOG_LEVEL = "info" }

[train.hyperparameters]
epochs = 20
betas = [0.9, 0.999]
note = "plain"

[train.metrics]
"validation:accuracy" = "accuracy=([0-9.]+)"
"""
GATE = """
[gate]
metric = "validation:accuracy"
at_least = 0.9
"""
SMOKE = """
[[deploy.smoke_test]]
payload = "smoke/seven.png"
content_type = "image/png"
expect_label = "7"
min_score = 0.5
"""


class Finish(TypedDict, total=False):
    """How a training job completes."""

    metrics: Mapping[str, float] | None
    labels: Sequence[str] | None
    model: bool


class Machines:
    def __init__(self, toml: str = TRAIN + GATE + SMOKE, settings: Settings = SETTINGS) -> None:
        self.world = World(settings)
        self.versions = Versions(self.world.bucket)
        self.changed: tuple[str, ...] = ()
        """What a comparison after the job finds."""
        self.version = self.accept(toml)
        self.restart()

    def restart(self) -> None:
        """Begin as a fresh process: nothing is left but the world."""
        world = self.world
        report = Report(bucket=world.bucket, records=world.records, clock=world.clock)
        self.releases = Releases(
            bucket=world.bucket,
            records=world.records,
            timer=world.timer,
            clock=world.clock,
            settings=world.settings,
            versions=self.versions,
            hosting=world.hosting,
            registry=world.registry,
            report=report,
        )
        self.runs = Runs(
            bucket=world.bucket,
            records=world.records,
            timer=world.timer,
            clock=world.clock,
            settings=world.settings,
            versions=self.versions,
            jobs=world.jobs,
            registry=world.registry,
            report=report,
            propose=self._propose,
            compare=self._compare,
        )

        self.orders = RunOrders(
            records=world.records,
            registry=world.registry,
            timer=world.timer,
            advance=self.runs.advance,
            propose=self.releases.propose,
            held=Handover(records=world.records, clock=world.clock, run_ready=self.runs.advance).held,
        )

    def _propose(self, run: Run, wanted: Command | None = None, cause: str = "approved") -> None:
        """As wiring does it: the release goes on before the run is remembered as registered."""
        self.releases.propose(run, wanted, cause)
        self.releases.advance(run.pipeline)

    def _compare(self, bucket: Bucket, run: Run, clock: Clock) -> Comparison:
        assert bucket is self.world.bucket
        assert clock is self.world.clock
        assert self.world.records.run(run.id) is not None
        return Comparison(changed=self.changed, count=len(self.changed), done=True)

    def host_by(self, hosting: Any) -> None:
        """Let this process's releases meet another SageMaker than the world's own."""
        rollout = self.releases.rollout
        self.releases.rollout = replace(rollout, hosting=hosting, update=replace(rollout.update, hosting=hosting))

    # What users do.

    def accept(self, toml: str, *, code: bytes = b"print()") -> Version:
        """Let a pipeline version be accepted; `releases.update` is the test's to call."""
        pipeline = parse(toml)
        tests = pipeline.deploy.smoke_test if pipeline.deploy else ()
        archive = pack([("train.py", code)])
        content = Content(toml.encode(), pipeline, archive, archive, tuple(Payload(test, b"7") for test in tests))
        now = self.world.clock.advance(1)
        version = self.versions.freeze(PIPELINE, content, now)
        record = self.world.records.pipeline(PIPELINE) or PipelineRecord(PIPELINE)
        self.world.records.save(replace(record, version=version.digest, accepted_at=now))
        return version

    def edit(self, toml: str, *, code: bytes = b"print()") -> Version:
        version = self.accept(toml, code=code)
        self.releases.update(PIPELINE)
        return version

    def seal(self, name: str = "mnist", *, overrides: str = "") -> Run:
        """Let a drop be sealed; its run has not taken its first step."""
        now = self.world.clock.advance(1)
        digest = hashlib.sha256(name.encode()).hexdigest()
        channel = Channel("training", 3, 300, f"s3://bucket/runs/{PIPELINE}/{digest[:12]}/input/training.manifest")
        dataset = DatasetId(PIPELINE, name)
        record = self.world.records.pipeline(PIPELINE)
        assert record is not None
        assert record.version is not None
        run = self.world.records.save(
            Run(
                id=f"v1{digest}",
                pipeline=PIPELINE,
                dataset=dataset,
                version=record.version,
                digest=digest,
                sealed_at=now,
                created_at=now,
                channels=(channel,),
                overrides=overrides,
                due=now,
            )
        )
        self.world.records.point(run.id, dataset)
        self.world.records.save(
            Dataset(dataset, DatasetState.SEALED, digest=digest, run=run.id, sealed_at=now, channels=(channel,))
        )
        return run

    def train(self, name: str = "mnist", **finish: Unpack[Finish]) -> Run:
        """Seal a drop and let its training complete; the event of that is still to come."""
        run = self.seal(name)
        self.runs.advance(run12(run.id))
        self.finish(self.run(run), **finish)
        return self.run(run)

    def register(self, name: str = "mnist", **finish: Unpack[Finish]) -> Run:
        run = self.train(name, **finish)
        self.runs.job_changed(JobChanged(self.job(run)))
        return self.run(run)

    def deploy(self, name: str = "mnist", **finish: Unpack[Finish]) -> Run:
        """Take a drop all the way to live."""
        run = self.register(name, **finish)
        self.release_to_rest()
        return self.run(run)

    # What SageMaker does.

    def finish(
        self,
        run: Run,
        metrics: Mapping[str, float] | None = None,
        labels: Sequence[str] | None = LABELS,
        *,
        model: bool = True,
    ) -> None:
        self.world.jobs.finish(self.job(run), METRICS if metrics is None else metrics, labels, model=model)

    def job(self, run: Run, attempt: int = 1) -> str:
        return self.world.settings.names.job(PIPELINE, run.id, 0, attempt)

    def release_to_rest(self) -> None:
        """Let events come until nothing is open on the release."""
        for _ in range(20):
            self.releases.advance(PIPELINE)
            self.world.hosting.settle()
            if self.release.due is None:
                return
            self.world.clock.advance(WARNING)
        raise AssertionError(f"The release does not come to rest: {self.release}")

    def reconcile(self) -> None:
        """Do what the schedule does, and nothing else: look at what is due, and sweep."""
        records, now = self.world.records, self.world.clock()
        for subject in records.due("run", now, limit=10):
            self.runs.advance(subject.partition(":")[2])
        for subject in records.due("release", now, limit=10):
            self.releases.advance(subject.partition(":")[2])
        self.releases.sweep_rehearsals()

    def endpoint_event(self) -> None:
        self.releases.endpoint_changed(EndpointChanged(self.world.settings.names.endpoint(PIPELINE)))

    # What a test looks at.

    def run(self, run: Run) -> Run:
        found = self.world.records.run(run.id)
        assert found is not None
        return found

    @property
    def release(self) -> Release:
        return self.world.records.release(PIPELINE) or Release(PIPELINE)

    @property
    def live_config(self) -> str | None:
        """The configuration that clients meet now."""
        seen = self.world.hosting.endpoint(self.world.settings.names.endpoint(PIPELINE))
        return seen.config if seen and seen.status == "InService" else None

    @property
    def rehearsals(self) -> tuple[str, ...]:
        return tuple(name for name in self.world.hosting.endpoints if "-rehearse-" in name)

    def status(self, name: str = "mnist") -> dict[str, object]:
        said: dict[str, object] = json.loads(self.world.bucket.read(dataset_status_key(PIPELINE, name)))
        return said

    def told(self, subject: str) -> list[str]:
        return [entry.what for entry in self.world.records.entries(subject)]
