"""One world for a flow under test: every port in memory, one clock, one log of all calls.

    world = World()
    world.bucket.put("datasets/digits/mnist/training/1.png", b"…")
    Datasets(bucket=world.bucket, records=world.records, timer=world.timer, clock=world.clock, …)

What a flow calls stands in `world.calls`; what a test does by hand (`put`, `finish`, `settle`, …) does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chalicelib import ports
from chalicelib.news import Origin
from chalicelib.settings import Settings
from tests.fakes.bucket import FakeBucket
from tests.fakes.bus import FakeBus
from tests.fakes.calls import Call, Calls, CrashError, recorded
from tests.fakes.clock import FakeClock
from tests.fakes.hosting import FakeHosting
from tests.fakes.jobs import FakeJobs
from tests.fakes.mail import FakeMail
from tests.fakes.records import FakeRecords
from tests.fakes.registry import FakeRegistry
from tests.fakes.timer import FakeTimer

SETTINGS = Settings(
    prefix="df",
    stage="test",
    region="us-east-1",
    bucket="bucket",
    table="table",
    wake_queue="https://sqs.us-east-1.amazonaws.com/000000000000/df-test-wake",
    job_role="arn:aws:iam::000000000000:role/df-test-jobs",
    instance_types=frozenset({"ml.m5.large", "ml.m5.xlarge"}),
    overrides=("train.hyperparameters.*", "train.instance_type"),
)


class World:
    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.settings = settings
        self.clock = FakeClock()
        self._calls = Calls()
        bucket = FakeBucket(self.clock, settings.bucket)
        self.bucket = recorded(self._calls, "bucket", bucket, ports.Bucket)
        self.timer = recorded(self._calls, "timer", FakeTimer(self.clock), ports.Timer)
        origin = Origin(settings.names.deployment, settings.stage, settings.bucket)
        self.records = recorded(self._calls, "records", FakeRecords(self.clock, origin), ports.Records)
        self.mail = recorded(self._calls, "mail", FakeMail(), ports.Mail)
        self.bus = recorded(self._calls, "bus", FakeBus(), ports.Bus)
        self.jobs = recorded(self._calls, "jobs", FakeJobs(self.clock, bucket), ports.Jobs)
        self.registry = recorded(self._calls, "registry", FakeRegistry(), ports.Registry)
        self.hosting = recorded(self._calls, "hosting", FakeHosting(self.clock, settings.names, bucket), ports.Hosting)

    @property
    def calls(self) -> Sequence[Call]:
        """Every call on a port so far, in order."""
        return tuple(self._calls.log)

    def count(self, call: str) -> int:
        """Count the calls of one method: `world.count("jobs.start")`."""
        return sum(str(made) == call for made in self._calls.log)

    def fail_at(self, number: int, *, after: bool = False, error: Callable[[], BaseException] = CrashError) -> None:
        """Let the n-th call from now (1: the next) fail, before it acts or after it has acted; once."""
        self._calls.fail_at(number, after=after, error=error)
