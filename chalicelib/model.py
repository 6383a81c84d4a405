"""The values every room speaks of: datasets, runs, releases and their states. Frozen; no behaviour beyond reading.

Times are seconds since 1970 in UTC, as floats. `rev` counts the writes of a stored item and guards the next one
(0: not stored yet). `due` is when the reconcile should look at an item again by itself; None once nothing is open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum


class DatasetState(StrEnum):
    COLLECTING = "collecting"
    SEALED = "sealed"
    REFUSED = "refused"


class RunState(StrEnum):
    PREPARING = "preparing"
    TRAINING = "training"
    EVALUATING = "evaluating"
    REGISTERED = "registered"
    REJECTED = "rejected"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def final(self) -> bool:
        return self in {RunState.REGISTERED, RunState.REJECTED, RunState.FAILED, RunState.STOPPED}


class Approval(StrEnum):
    """What a person says of a registered model."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


class ReleaseStage(StrEnum):
    IDLE = "idle"
    REHEARSING = "rehearsing"
    ROLLING_OUT = "rolling-out"
    ROLLING_BACK = "rolling-back"
    UNDEPLOYING = "undeploying"
    """Everything that serves is being taken down: clients are told first."""


@dataclass(frozen=True, slots=True)
class S3Object:
    """One object of a listing: size in bytes, the ETag without quotes."""

    key: str
    size: int
    etag: str
    modified: float = 0.0


@dataclass(frozen=True, slots=True, order=True)
class DatasetId:
    pipeline: str
    name: str

    def __str__(self) -> str:
        return f"{self.pipeline}/{self.name}"


@dataclass(frozen=True, slots=True)
class Command:
    """Something that a person or a program asked for: `by` as IAM (or the event's sender) names them."""

    by: str
    at: float
    reason: str | None = None

    @property
    def told(self) -> str:
        """Say who and why, as the rest of a sentence: `by arn:… : too expensive`."""
        return f"by {self.by}" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A person's approval or rejection; carried out once the run's `approval` says the same."""

    approved: bool
    command: Command
    seen: str
    """What SageMaker said of the package when it was given: whoever decides there afterwards has the last word."""
    overtaken: tuple[str, ...] = ()
    """The notes of orders before it: a worker that stalled may still tell SageMaker of one of them."""

    @property
    def approval(self) -> Approval:
        return Approval.APPROVED if self.approved else Approval.REJECTED


EVERYTHING = "*"
"""The scope of a pause of all pipelines."""


@dataclass(frozen=True, slots=True)
class Pause:
    """While it stands, nothing that costs money is started. `scope`: a pipeline's name, or EVERYTHING."""

    scope: str
    command: Command

    @property
    def told(self) -> str:
        """Say who paused it, and when: `Paused by arn:… since 2027-01-15 08:00 UTC: too expensive.`."""
        since = datetime.fromtimestamp(self.command.at, UTC).strftime("%Y-%m-%d %H:%M UTC")
        what = "Everything is paused" if self.scope == EVERYTHING else "Paused"
        why = f": {self.command.reason.rstrip('.')}" if self.command.reason else ""
        return f"{what} by {self.command.by} since {since}{why}."

    @property
    def holding(self) -> str:
        """Say what that means for what was just ordered."""
        return f"{self.told} It goes on when that is resumed."


@dataclass(frozen=True, slots=True)
class Channel:
    """A named input as sealed: its counts, and the S3 URI of the manifest or object that a job reads."""

    name: str
    objects: int
    size: int
    uri: str
    manifest: bool = True


@dataclass(frozen=True, slots=True)
class Tally:
    """What was counted of a channel."""

    channel: str
    objects: int
    size: int


@dataclass(frozen=True, slots=True)
class Finds:
    """Keys with the same thing wrong: the first few by name, and how many there are."""

    keys: tuple[str, ...] = ()
    count: int = 0


@dataclass(frozen=True, slots=True)
class Listing:
    """How far a dataset is listed: all that the rest of its listing needs, however many objects there are."""

    began: float = 0.0
    source: int = 0
    """Which of its sources is being listed."""
    after: str = ""
    """The last key listed there."""
    last: str = ""
    """The last relative key that is data."""
    digest: str = "0" * 64
    """The listing digest so far."""
    listed: int = 0
    objects: int = 0
    """Of those listed, the data."""
    channels: tuple[Tally, ...] = ()
    """No more of them than tell that there are too many; `more_channels` counts the rest."""
    more_channels: int = 0
    newest: float = 0.0
    overrides: bool = False
    files: tuple[int, ...] = ()
    """How long those beginnings of `last` are that are files, and would be folders if a later key lay in them."""
    strays: Finds = Finds()
    clashes: Finds = Finds()
    bad_names: Finds = Finds()
    empty: Finds = Finds()
    pieces: tuple[str, ...] = ()
    """Where what was listed is written down, in order."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far the sealed files of a run were compared, after its job, with what lies there."""

    offset: int = 0
    """Bytes of the sealed list that are done."""
    after: str = ""
    """The last relative key that was listed."""
    changed: tuple[str, ...] = ()
    """The first few keys that were overwritten or deleted."""
    count: int = 0
    """How many were."""
    done: bool = False


@dataclass(frozen=True, slots=True)
class Dataset:
    """One drop. `run`, `digest` and `sealed_at` speak of the last seal, also while later files are collecting."""

    id: DatasetId
    state: DatasetState = DatasetState.COLLECTING
    single: str | None = None
    """The key, where one object is the whole dataset."""
    first_seen: float = 0.0
    last_seen: float = 0.0
    """When the newest object arrived, by the bucket's clock."""
    seen: int = 0
    """Object events counted; duplicates included, so at best a hint."""
    ready: bool = False
    """Whether a `_READY` was seen."""
    timer: float | None = None
    """When the wake-up message that is under way will arrive."""
    waiting: str | None = None
    """Why it is still collecting, in a sentence."""
    reason: str | None = None
    todo: str | None = None
    """After a refusal: what to do about it."""
    digest: str | None = None
    run: str | None = None
    sealed_at: float | None = None
    channels: tuple[Channel, ...] = ()
    due: float | None = None
    rev: int = 0
    told: str = ""
    """What our events told of it last: see news.py."""
    listing: Listing | None = None
    """How far it is listed, while that takes more than one look."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Channel → the S3 URI of a folder (ends in "/") or object, where its files do not lie under its own name."""
    asked: Command | None = None
    """Somebody asked for a run of it that is still to come: it seals without waiting for quiet."""
    overrides: str = ""
    """TOML: the values, beside those of run.toml, that an order to start gave for its run, and for no other drop."""
    requests: tuple[str, ...] = ()
    """Ids of the newest orders to start; one that comes again is no new one."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One training job of a run, as last described."""

    job: str
    number: int = 0
    attempt: int = 1
    request: str = ""
    """Digest of the request that made it; the job carries it as DROPFORGE_REQUEST."""
    stop_asked: bool = False
    """Whether it was us who asked SageMaker to stop it."""
    status: str = ""
    secondary: str = ""
    reason: str | None = None
    model_uri: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    started_at: float | None = None
    ended_at: float | None = None
    billable_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One pipeline applied to one sealed dataset."""

    id: str
    """`v1` and 64 hex digits; its SageMaker names carry the first twelve."""
    pipeline: str
    dataset: DatasetId
    """The drop that started it; others with the same content point at it, too."""
    version: str
    """Digest of the pipeline version it was sealed with."""
    digest: str
    """The listing digest."""
    sealed_at: float
    created_at: float
    state: RunState = RunState.PREPARING
    channels: tuple[Channel, ...] = ()
    overrides: str = ""
    """The text of run.toml."""
    candidate: Candidate | None = None
    labels: tuple[str, ...] = ()
    package: str | None = None
    """ARN of its model package."""
    reason: str | None = None
    todo: str | None = None
    superseded: bool = False
    """No sealed dataset has its files any more: it is to stop."""
    ended_at: float | None = None
    due: float | None = None
    rev: int = 0
    told: str = ""
    """As of a dataset."""
    approval: Approval | None = None
    """Whether a person is asked, and what they said; None where the gate decides alone."""
    verdict: Verdict | None = None
    """What a person decided last of its model."""
    stopping: Command | None = None
    """Who asked for it to stop."""
    retried: Command | None = None
    """Who asked for its present attempt."""
    shortage: Shortage | None = None
    """While AWS has no room for its job."""
    compared: Comparison | None = None
    """How far its input is compared, while that takes more than one look."""
    kept: bool = False
    """It goes on though its dataset became another run: late files that make a run of their own, or another start."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a release should serve: one model version under one serving configuration."""

    digest: str
    """Over the run and the resolved [deploy] and [serve], with the smoke tests: what was failed once stays failed."""
    run: str
    version: str
    """Digest of the pipeline version whose [gate], [deploy] and [serve] apply."""
    package: str
    model_version: int
    """The version number of the model package: what clients are told."""
    model: str
    """Name of the SageMaker model."""
    config: str
    """Name of the endpoint configuration."""
    metrics: Mapping[str, float]
    labels: tuple[str, ...]
    order: tuple[float, float]
    """(when its dataset sealed, when its pipeline version was accepted): the newest wins."""
    cause: str
    generation: int = 0
    by: str | None = None
    """The person who wants it served: it passes the gate by hand, and is rehearsed and tested all the same."""


@dataclass(frozen=True, slots=True)
class Lease:
    """While it runs, one worker alone may call UpdateEndpoint."""

    holder: str
    until: float


@dataclass(frozen=True, slots=True)
class Shortage:
    """What AWS has no room for now: capacity, quota, or too many requests at once."""

    since: float
    tries: int
    reason: str
    next_at: float | None = None
    """When it is tried again; None while a try is under way."""


@dataclass(frozen=True, slots=True)
class Release:
    """A pipeline's serving side."""

    pipeline: str
    generation: int = 0
    stage: ReleaseStage = ReleaseStage.IDLE
    desired: Target | None = None
    live: Target | None = None
    previous: Target | None = None
    """What was live before; its model and configuration stay until the next release is live."""
    pending: Target | None = None
    failed: Mapping[str, str] = field(default_factory=dict)
    """Digest → reason; not tried again without a person."""
    lease: Lease | None = None
    stage_since: float | None = None
    attempts: int = 0
    """Endpoints made anew and updates asked for in this stage: bounds them; tells "not asked" from "rolled back"."""
    due: float | None = None
    rev: int = 0
    told: str = ""
    """As of a dataset."""
    retired: Target | None = None
    """What served before an undeploy: `redeploy` brings it back."""
    undeployed: Command | None = None
    """Who had it undeployed, and when: by itself only what sealed later deploys again."""
    rolled_back: Command | None = None
    """Who had the newest change given up, where nothing has begun since."""
    shortage: Shortage | None = None
    """What the present stage waits for."""
    held: str | None = None
    """Who paused it, where that keeps the present stage from going on."""
    warned_at: float | None = None
    """When clients surely had what the present stage tells them: taken after that write was acknowledged."""
    clearing: tuple[Lease, ...] = ()
    """Who deletes something of it, each until when that may still happen; several may at once."""
    silent_since: float | None = None
    """Since when the endpoint that clients meet takes no request in the present stage, as the tests saw it."""


@dataclass(frozen=True, slots=True)
class Serving:
    """What the inference route needs to know, and nothing else; small, read often, cached for seconds."""

    pipeline: str
    live: bool = False
    endpoint: str | None = None
    run: str | None = None
    model_version: int | None = None
    exact: bool = True
    """False while a rollout is under way: the container alone knows which model answered."""
    accept: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    top_k: int = 5
    title: str | None = None


@dataclass(frozen=True, slots=True)
class PipelineRecord:
    """What is known of `pipelines/<name>/`: the accepted version, and what is wrong with a newer one."""

    name: str
    version: str | None = None
    accepted_at: float | None = None
    title: str | None = None
    problem: str | None = None
    """Why the newest upload was not accepted; None when it was."""
    last_seen: float = 0.0
    timer: float | None = None
    """When the settle of the newest upload ends; None when nothing is settling."""
    released: str | None = None
    """The version whose [gate], [deploy] and [serve] the release has been told of."""
    due: float | None = None
    rev: int = 0

    @property
    def state(self) -> str:
        if self.timer is not None:
            return "settling"
        return "refused" if self.problem is not None or self.version is None else "accepted"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a timeline: what was seen, decided and done. `facts` are short and carry no payloads or keys."""

    at: float
    what: str
    facts: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
