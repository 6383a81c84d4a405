"""What the flows ask of the world, in our words.

`aws/` answers with AWS; tests/fakes/ with memory; one contract (tests/contracts/) binds both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from chalicelib.model import (
    Channel,
    Dataset,
    DatasetId,
    DatasetState,
    Entry,
    Pause,
    PipelineRecord,
    Release,
    Run,
    RunState,
    S3Object,
    Serving,
)
from chalicelib.news import News, Told

Clock = Callable[[], float]
Item = TypeVar("Item")
Stored = TypeVar("Stored", Dataset, Run, Release, PipelineRecord)


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some items, and the opaque token that continues after them (None: no more)."""

    items: tuple[Item, ...]
    next: str | None = None


class Bucket(Protocol):
    name: str

    def page(self, prefix: str, *, after: str = "", limit: int = 1000) -> Page[S3Object]:
        """List one page in key order, strictly after the key `after`.

        `next` is the last key given, if there is more.
        """

    def read(self, key: str, *, limit: int | None = None) -> bytes:
        """Read an object; NotFoundError if there is none, RefusedError if it is larger than `limit` bytes."""

    def write(self, key: str, body: bytes, *, content_type: str = "application/json") -> None: ...

    def read_from(self, key: str, start: int, *, limit: int) -> bytes:
        """Read at most `limit` bytes from an offset; empty at the end and behind it. NotFoundError if there is none."""

    def write_long(self, key: str, pieces: Iterable[bytes], *, content_type: str = "application/json") -> None:
        """Write an object of any length as its pieces come, in bounded memory; none of it is there before all is."""

    def head(self, key: str) -> S3Object | None: ...

    def open_uploads(self, prefix: str, *, since: float) -> bool:
        """Tell whether a multipart upload begun after `since` is still open under the prefix."""

    def link(self, key: str, *, seconds: int) -> str:
        """Sign a download link that ends after so many seconds."""

    def elsewhere(self, name: str) -> Bucket:
        """Give another bucket, to list and to read; one that cannot be is a RefusedError when it is."""

    def prefixes(self, prefix: str, *, after: str = "", limit: int = 1000) -> Page[str]:
        """List one page of what lies directly under the prefix, strictly after `after`: keys, folders ending in "/"."""


class Timer(Protocol):
    def wake(self, subject: str, *, seconds: int) -> None:
        """Send a wake-up, in 900 seconds at most: a longer wait wakes early, and who is woken looks again.

        Subjects: `dataset:<pipeline>/<name>`, `pipeline:<name>`, `run:<run12>`, `release:<pipeline>`.
        """


class Bus(Protocol):
    def publish(self, news: Sequence[News]) -> tuple[str, ...]:
        """Send news to the event bus; gives the ids of what it took. What it did not take is to be sent again.

        RefusedError where it refuses a call as a whole: then one by one tells which it does not take.
        """


class Mail(Protocol):
    """Those who asked to be told of our events, as the settings name them."""

    def publish(self, text: str, *, subject: str, attributes: Mapping[str, str]) -> None:
        """Publish to the topic; attributes are what its subscribers may filter by."""

    def post(self, body: bytes, headers: Mapping[str, str]) -> int:
        """Post to the webhook and give its status; UnavailableError where no answer comes within 5 seconds."""

    def secret(self) -> str:
        """Read what the webhook's mail is signed with."""


class Records(Protocol):
    """The one table. Every `save` is conditional: ConflictError when the stored rev is not `item.rev`."""

    def dataset(self, dataset: DatasetId) -> Dataset | None: ...
    def run(self, run: str) -> Run | None:
        """Find a run by its id or by its twelve digits."""

    def release(self, pipeline: str) -> Release | None: ...
    def pipeline(self, name: str) -> PipelineRecord | None: ...

    def save(self, item: Stored, *entries: Entry) -> Stored:
        """Write the item, its timeline entries and what it tells the world in one transaction; gives it as stored.

        That is with its new rev, and with `told` as news.tell leaves it; the news waits in the outbox.
        """

    def note(self, subject: str, entry: Entry) -> None:
        """Add a timeline entry to another subject (as in Timer.wake). The same entry again is the same line."""

    def timeline(self, subject: str, *, after: str | None = None, limit: int = 100) -> Page[Entry]:
        """Read a timeline, oldest first."""

    def serving(self, pipeline: str) -> Serving | None: ...
    def serve(self, serving: Serving) -> None: ...
    def offer(self, serving: Serving) -> None:
        """Write what clients may know of a model that is not live; what says that it is live is left alone."""

    def withdraw(self, pipeline: str) -> None:
        """Forget a model that is not live: to clients there is none. One that is stays; nothing to forget is done."""

    def point(self, run: str, dataset: DatasetId) -> None:
        """Remember that a sealed dataset points at a run; doing it again changes nothing."""

    def unpoint(self, run: str, dataset: DatasetId) -> None: ...
    def pointing(self, run: str) -> tuple[DatasetId, ...]: ...

    def due(self, kind: str, before: float, *, limit: int) -> tuple[str, ...]:
        """Name what is open and due at `before`, oldest first, reading at most `limit` items.

        Kinds: `dataset`, `run`, `release`, `pipeline`; the answer holds subjects as in Timer.wake.
        """

    def datasets(
        self,
        *,
        pipeline: str | None = None,
        state: DatasetState | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Page[Dataset]:
        """List newest first. Without a pipeline: all of the last 24 months.

        With a state, a page may be short, even empty, and still go on: what it reads is bounded, not what it gives.
        """

    def runs(
        self, *, pipeline: str | None = None, state: RunState | None = None, after: str | None = None, limit: int = 50
    ) -> Page[Run]:
        """List newest first, like datasets; a page is stable: what is created meanwhile never shifts it."""

    def pipelines(self, *, after: str | None = None, limit: int = 50) -> Page[PipelineRecord]:
        """List by name."""

    def cursor(self, name: str) -> str:
        """Where a sweep goes on ("" from the start)."""

    def move_cursor(self, name: str, to: str) -> None: ...

    def outbox(self, *, after: News | None = None, limit: int = 100) -> tuple[News, ...]:
        """Give what waits to be published, oldest first; `after` goes on behind it."""

    def unsent(self) -> frozenset[str]:
        """Name the news that this process has put into the outbox since it was last asked; costs no read."""

    def published(self, news: Sequence[News]) -> None:
        """Move news out of the outbox into the log of events, which keeps it for 14 days."""

    def events(self, *, since: float | None = None, after: str | None = None, limit: int = 50) -> Page[Told]:
        """List what was published, oldest first: from a moment on, or after a token; with neither, the newest.

        `next` is always a token: more is published while this is read.
        """

    def pause(self, pause: Pause, entry: Entry) -> None:
        """Remember a pause, in one transaction with its line on the timeline `pipeline:<scope>`.

        ConflictError where the scope is paused already.
        """

    def unpause(self, pause: Pause, entry: Entry) -> None:
        """Forget just this pause, with a line as above; ConflictError where its scope has another, or none."""

    def paused(self, pipeline: str) -> Pause | None:
        """Give what holds a pipeline: its own pause, else that of everything. Of EVERYTHING: that alone."""


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """A training job to start, in our words; hyperparameters are strings already, as SageMaker wants them."""

    name: str
    image: str
    instance_type: str
    volume_gb: int
    max_runtime_seconds: int
    channels: tuple[Channel, ...]
    output_uri: str
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, str] = field(default_factory=dict)
    request: str = ""
    """Digest of all the above; sent as DROPFORGE_REQUEST in the job's environment."""


@dataclass(frozen=True, slots=True)
class JobSeen:
    """A training job as DescribeTrainingJob tells it; `status` and `secondary` in SageMaker's spelling."""

    name: str
    status: str
    secondary: str = ""
    reason: str | None = None
    model_uri: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    request: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    billable_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class LogLine:
    at: float
    text: str


class Jobs(Protocol):
    def start(self, job: TrainingJob) -> None:
        """Create the training job.

        AlreadyExistsError if the name is taken; RefusedError with SageMaker's sentence if the request is bad.
        """

    def describe(self, name: str) -> JobSeen | None: ...
    def stop(self, name: str) -> None:
        """Ask SageMaker to stop it; a job that has ended, or never was, is fine."""

    def log(self, name: str, *, after: str | None = None, limit: int = 1000) -> Page[LogLine]:
        """Read the job's log from CloudWatch Logs, oldest first.

        `next` is always a token, also of an empty page: a log grows while it is read, and is over when its job is.
        """


NOTE_LIMIT = 1024
"""Characters of a package's ApprovalDescription, which is one line."""


@dataclass(frozen=True, slots=True)
class Package:
    """A model package as registered; `approval` in SageMaker's spelling."""

    arn: str
    version: int
    approval: str
    run: str = ""
    note: str | None = None
    """ApprovalDescription."""
    by: str | None = None
    """ARN of who changed it last, where SageMaker says so."""


@dataclass(frozen=True, slots=True)
class PackageRequest:
    group: str
    run: str
    image: str
    model_uri: str
    environment: Mapping[str, str]
    accept: tuple[str, ...]
    metadata: Mapping[str, str]
    """Run, dataset digest, pipeline version, job, metrics: all strings (CustomerMetadataProperties)."""
    metrics_uri: str | None
    """S3 URI of the metrics document (ModelMetrics.ModelQuality.Statistics)."""
    approved: bool
    note: str
    """ApprovalDescription."""
    attempt: int = 1
    """Which try of the run made the model: another try makes another package."""


class Registry(Protocol):
    def register(self, package: PackageRequest) -> Package:
        """Register once for each run and attempt.

        Ensures the group, looks for the package, creates it with a ClientToken from both; then approves it if it still
        waits for that and the request says so.
        """

    def find(self, group: str, run: str) -> Package | None:
        """Find the newest package of a run."""

    def describe(self, arn: str) -> Package | None:
        """Look at a package; None where it was deleted, or is none of ours."""

    def run_of(self, group: str, version: int) -> str | None:
        """Name the run that a version of a group was made of; None where there is no such version, or it names none."""

    def decide(self, arn: str, *, approved: bool, note: str) -> Package:
        """Approve or reject it, with a word why; gives it as it is then. NotFoundError where there is none."""


@dataclass(frozen=True, slots=True)
class ModelRequest:
    name: str
    image: str
    model_uri: str
    environment: Mapping[str, str]
    """Carries DROPFORGE_REQUEST, the digest that the name ends in, and DROPFORGE_RUN."""


@dataclass(frozen=True, slots=True)
class ConfigRequest:
    name: str
    model: str
    instance_type: str
    instance_count: int
    variant: str = "main"


@dataclass(frozen=True, slots=True)
class EndpointSeen:
    """An endpoint as DescribeEndpoint tells it.

    Status: `InService`, `Creating`, `Updating`, `RollingBack`, `Failed`, `Deleting`, …
    """

    name: str
    status: str
    config: str | None
    reason: str | None = None
    created_at: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a container said: the body, its content type, and the custom attributes header."""

    body: bytes
    content_type: str
    attributes: str = ""


class Hosting(Protocol):
    def ensure_model(self, model: ModelRequest) -> None:
        """Create it, or see that it exists with the same digest; ConflictError if the name holds something else."""

    def ensure_config(self, config: ConfigRequest) -> None: ...
    def endpoint(self, name: str) -> EndpointSeen | None: ...
    def create_endpoint(self, name: str, config: str) -> None:
        """Create it; AlreadyExistsError if the name is taken."""

    def update_endpoint(self, name: str, config: str) -> None:
        """Start an update; ConflictError when the endpoint is in no state for one."""

    def delete_endpoint(self, name: str) -> None:
        """Delete it; one that is gone is fine, one that is busy is a ConflictError."""

    def delete_config(self, name: str) -> None: ...
    def delete_model(self, name: str) -> None: ...
    def rehearsals(self, *, limit: int) -> Sequence[EndpointSeen]:
        """Name the rehearsal endpoints of this stage, oldest first, one LIST page; their `config` is not known."""

    def invoke(self, endpoint: str, payload: bytes, *, content_type: str, accept: str, seconds: float) -> Answer:
        """Call the endpoint once.

        InvocationError (with the container's answer as facts `container_status` and `body`), InvocationTimeoutError, or
        NotFoundError where nothing is in service under that name.
        """
