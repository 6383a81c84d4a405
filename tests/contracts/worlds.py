"""What a contract test meets: the ports, and what the contract needs from the other side of each.

There are two such worlds: the fakes, here, and the adapters in front of the local cloud, in `cloud.py`. `clock` is what
the table's adapter lives by, and stands still in both; S3, SQS and SageMaker have their own time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from urllib.parse import unquote, urlsplit

from chalicelib import ports
from chalicelib.model import Channel, S3Object
from chalicelib.names import Names
from chalicelib.ports import ConfigRequest, EndpointSeen, JobSeen, ModelRequest, TrainingJob
from tests.contracts import programs
from tests.fakes.clock import FakeClock
from tests.fakes.world import World

NOW = 1_799_000_000.0
"""What the standing clock says: in January 2027, so that the months before it lie in another year."""

Found = TypeVar("Found")


class Upload(Protocol):
    """A multipart upload that a user has begun."""

    def complete(self, content: bytes) -> object: ...
    def abort(self) -> object: ...


@dataclass(frozen=True, slots=True)
class Heard:
    """An event as a listener gets it."""

    source: str
    kind: str
    detail: dict[str, Any]


class ContractWorld(Protocol):
    clock: FakeClock

    @property
    def names(self) -> Names:
        """Names that are this test's alone."""

    @property
    def bucket(self) -> ports.Bucket: ...
    @property
    def timer(self) -> ports.Timer: ...
    @property
    def bus(self) -> ports.Bus: ...
    @property
    def mail(self) -> ports.Mail: ...
    @property
    def records(self) -> ports.Records: ...
    @property
    def jobs(self) -> ports.Jobs: ...
    @property
    def registry(self) -> ports.Registry: ...
    @property
    def hosting(self) -> ports.Hosting: ...

    def put(self, key: str, body: bytes) -> S3Object: ...
    def put_elsewhere(self, key: str, body: bytes) -> str:
        """Put an object into a bucket of somebody else's, and give the bucket's name."""

    def content_type(self, key: str) -> str: ...
    def download(self, link: str) -> bytes: ...
    def begin_upload(self, key: str) -> Upload: ...
    def arrived(self) -> tuple[str, ...]:
        """Take the wake-ups that have arrived by now."""

    def heard(self) -> tuple[Heard, ...]:
        """Take what a rule on the event bus has put into its queue by now."""

    def published(self) -> tuple[tuple[str, str, dict[str, str]], ...]:
        """Take what a subscriber of the topic has been sent by now: text, subject, attributes."""

    def keep_secret(self, value: str) -> None: ...
    def job(self, name: str, behave: programs.Training = "works") -> TrainingJob:
        """Prepare a job whose script behaves so."""

    def ended(self, name: str) -> JobSeen:
        """Wait until a job has ended, or for one that waits: until it trains."""

    def host(self, config: str, says: str = "{}", behave: programs.Serving = "works") -> None:
        """Make a model that behaves so, and a configuration that serves it."""

    def settled(self, endpoint: str) -> EndpointSeen | None:
        """Wait until no change of the endpoint is under way."""


class FakeSide:
    def __init__(self) -> None:
        world = World()
        self.clock = world.clock
        self.clock.now = NOW
        self.names = world.settings.names
        self.bucket, self.timer, self.records = world.bucket, world.timer, world.records
        self.bus = world.bus
        self.mail = world.mail
        self.jobs, self.registry, self.hosting = world.jobs, world.registry, world.hosting

    def put(self, key: str, body: bytes) -> S3Object:
        return self.bucket.put(key, body)

    def put_elsewhere(self, key: str, body: bytes) -> str:
        other = self.bucket.other("others-bucket")
        other.put(key, body)
        return other.name

    def content_type(self, key: str) -> str:
        return self.bucket.peek_type(key)

    def download(self, link: str) -> bytes:
        return self.bucket.peek(unquote(urlsplit(link).path[1:]))

    def begin_upload(self, key: str) -> Upload:
        return self.bucket.begin_upload(key)

    def arrived(self) -> tuple[str, ...]:
        return self.timer.due()

    def heard(self) -> tuple[Heard, ...]:
        taken = tuple(Heard("dropforge", each.kind, dict(each.detail)) for each in self.bus.taken)
        self.bus.taken.clear()
        return taken

    def published(self) -> tuple[tuple[str, str, dict[str, str]], ...]:
        taken = tuple(self.mail.published)
        self.mail.published.clear()
        return taken

    def keep_secret(self, value: str) -> None:
        self.mail.key = value

    def job(self, name: str, behave: programs.Training = "works") -> TrainingJob:
        return training_job(name, self.bucket.name, {"behave": behave})

    def ended(self, name: str) -> JobSeen:
        seen = existing(self.jobs.describe(name))
        behave = next(job.hyperparameters["behave"] for job in self.jobs.started if job.name == name)
        if seen.status == "InProgress":
            self.jobs.step(name, "Training")
            self._act(name, behave)
        self.jobs.settle()
        return existing(self.jobs.describe(name))

    def _act(self, name: str, behave: str) -> None:
        if behave == "breaks":
            self.jobs.fail(name, f"AlgorithmError: {programs.REASON}")
            return
        self.jobs.say(name, *programs.LINES)
        if behave != "waits":
            self.jobs.finish(name, {"validation:accuracy": programs.ACCURACY}, model=behave == "works")

    def host(self, config: str, says: str = "{}", behave: programs.Serving = "works") -> None:
        self.put("models/model.tar.gz", b"weights")
        ensure(self.hosting, config, self.bucket.name, {})
        self.hosting.answers[config] = says.encode()
        if behave != "works":
            self.hosting.broken(config, behave)

    def settled(self, endpoint: str) -> EndpointSeen | None:
        self.hosting.settle()
        return self.hosting.endpoint(endpoint)


def training_job(name: str, bucket: str, hyperparameters: dict[str, str]) -> TrainingJob:
    return TrainingJob(
        name=name,
        image=programs.IMAGE,
        instance_type="ml.m5.large",
        volume_gb=30,
        max_runtime_seconds=3600,
        channels=(Channel("training", 1, 1, f"s3://{bucket}/input/training.manifest"),),
        output_uri=f"s3://{bucket}/runs/digits/0123456789ab/output/",
        hyperparameters=hyperparameters,
        environment={"LOG_LEVEL": "info"},
        metrics={"validation:accuracy": "accuracy=([0-9.]+)"},
        request="ab" * 32,
    )


def ensure(hosting: ports.Hosting, config: str, bucket: str, environment: dict[str, str]) -> None:
    data = f"s3://{bucket}/models/model.tar.gz"
    own = {"DROPFORGE_REQUEST": f"request of {config}", "DROPFORGE_RUN": f"run of {config}"}
    hosting.ensure_model(ModelRequest(f"{config}-m", programs.IMAGE, data, {**environment, **own}))
    hosting.ensure_config(ConfigRequest(config, f"{config}-m", "ml.m5.large", 1))


def existing(found: Found | None) -> Found:
    assert found is not None
    return found


def eventually(found: Callable[[], Found | None], *, seconds: float = 60) -> Found:
    """Poll until something is found; gives it."""
    deadline = time.monotonic() + seconds
    while not (outcome := found()):
        if time.monotonic() > deadline:
            raise AssertionError(f"nothing after {seconds} s")
        time.sleep(0.02)
    return outcome
