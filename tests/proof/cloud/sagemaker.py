"""SageMaker: names used once for ever, no update while updating, InService that is not success, and time that passes.

What a training comes to stands in its data: `accuracy=0.97 labels=1,7 answers=7`, in any of its files. More words:
`fails=<why>` (the training), `capacity=<n>` (so many jobs find no machine), `long=<n>` (so many train for hours unless
they are stopped), `up=fails` (endpoints made with the model), `update=fails` (updates towards it), `breaks=yes` (its
container answers with an error).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from tests.proof.cloud.errors import invalid, refusal
from tests.proof.cloud.mail import Logs
from tests.proof.cloud.s3 import S3

Clock = Callable[[], float]
Emit = Callable[[str, dict[str, str]], None]

JOB_SECONDS = 70
LONG_JOB_SECONDS = 3 * 3600
STOP_SECONDS = 20
ENDPOINT_SECONDS = 70
DELETE_SECONDS = 20
SHOWN_AFTER = 10.0
"""Seconds for which Describe may not know what was made."""
LIST_LAG = 30.0
"""Seconds until a list shows what was made."""
_ARN = "arn:aws:sagemaker:us-east-1:000000000000:"
_IN_PROGRESS = frozenset({"InProgress", "Stopping"})


@dataclass(frozen=True, slots=True)
class Job:
    asked: Mapping[str, Any]
    made: float
    moves: float
    """When it ends, one way or the other."""
    status: str = "InProgress"
    reason: str | None = None
    model: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    ended: float | None = None

    @property
    def name(self) -> str:
        return str(self.asked["TrainingJobName"])

    @property
    def attempt(self) -> int:
        return int(self.name.rpartition("-a")[2])


@dataclass(frozen=True, slots=True)
class Endpoint:
    name: str
    config: str
    """What it serves."""
    wanted: str
    made: float
    status: str = "Creating"
    moves: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Package:
    arn: str
    version: int
    asked: Mapping[str, Any]
    made: float
    approval: str


@dataclass(frozen=True, slots=True)
class Did:
    """Something that happened to an endpoint, a configuration or a model."""

    at: float
    what: str
    name: str
    config: str = ""
    right: bool = False
    """Of an invocation: whether the container answered as a good model would."""
    unused: bool = True
    """Of a deletion: whether no endpoint that clients meet needed it."""
    writes: int = 0
    """How many writes the table had seen by then."""


class Sagemaker:
    def __init__(self, clock: Clock, s3: S3, logs: Logs, emit: Emit) -> None:
        self.clock = clock
        self.s3 = s3
        self.logs = logs
        self.emit = emit
        self.count_writes: Callable[[], int] = lambda: 0
        self.eventual = True
        """Whether Describe may not know, once, what was made a moment ago."""
        self.full: dict[str, int] = {}
        """How often a call is refused still, because the account's quota is used up."""
        self.jobs: dict[str, Job] = {}
        self.models: dict[str, Mapping[str, Any]] = {}
        self.configs: dict[str, Mapping[str, Any]] = {}
        self.endpoints: dict[str, Endpoint] = {}
        self.groups: dict[str, float] = {}
        self.packages: dict[str, Package] = {}
        self.history: tuple[Did, ...] = ()
        self._tokens: dict[str, str] = {}
        self._unseen: dict[str, float] = {}

    def copy(self, clock: Clock, s3: S3, logs: Logs, emit: Emit) -> Sagemaker:
        made = Sagemaker(clock, s3, logs, emit)
        made.eventual, made.history, made.full = self.eventual, self.history, dict(self.full)
        made.jobs, made.models, made.configs = dict(self.jobs), dict(self.models), dict(self.configs)
        made.endpoints, made.groups, made.packages = dict(self.endpoints), dict(self.groups), dict(self.packages)
        made._tokens, made._unseen = dict(self._tokens), dict(self._unseen)
        return made

    # Training.

    def create_training_job(self, asked: dict[str, Any]) -> dict[str, Any]:
        name, now = asked["TrainingJobName"], self.clock()
        if name in self.jobs:
            raise refusal("ResourceInUse", f"Training job names must be unique within an AWS account: {name}")
        self._have_room("create_training_job")
        job = Job(asked, now, now + JOB_SECONDS)
        is_long = job.attempt <= int(read_words(b" ".join(self._data(job))).get("long", "0"))
        self.jobs[name] = replace(job, moves=now + LONG_JOB_SECONDS) if is_long else job
        self._made(name)
        self.emit("SageMaker Training Job State Change", {"TrainingJobName": name, "TrainingJobStatus": "InProgress"})
        return {"TrainingJobArn": f"{_ARN}training-job/{name}"}

    def describe_training_job(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = asked["TrainingJobName"]
        job = None if self._is_unseen(name) else self.jobs.get(name)
        if job is None:
            raise invalid("Requested resource not found.")
        more: dict[str, Any] = {"FailureReason": job.reason} if job.reason else {}
        if job.model:
            more["ModelArtifacts"] = {"S3ModelArtifacts": job.model}
        if job.ended:
            more |= {"TrainingEndTime": _time(job.ended), "BillableTimeInSeconds": int(job.ended - job.made)}
        return {
            "TrainingJobName": name,
            "TrainingJobStatus": job.status,
            "SecondaryStatus": {"InProgress": "Training"}.get(job.status, job.status),
            "Environment": job.asked.get("Environment", {}),
            "TrainingStartTime": _time(job.made),
            "FinalMetricDataList": [
                {"MetricName": key, "Value": value, "Timestamp": _time(job.made)} for key, value in job.metrics.items()
            ],
            **more,
        }

    def stop_training_job(self, asked: dict[str, Any]) -> dict[str, Any]:
        job = self.jobs.get(asked["TrainingJobName"])
        if job is None:
            raise invalid("Requested resource not found.")
        if job.status not in _IN_PROGRESS:
            raise invalid(f"The request was rejected because the training job is in status {job.status}.")
        if job.status == "InProgress":
            self.jobs[job.name] = replace(job, status="Stopping", moves=self.clock() + STOP_SECONDS)
        return {}

    # Models and endpoints.

    def create_model(self, asked: dict[str, Any]) -> dict[str, Any]:
        name, uri = asked["ModelName"], asked["PrimaryContainer"]["ModelDataUrl"]
        if name in self.models:
            raise invalid(f'Cannot create already existing model "{_ARN}model/{name}".')
        if uri.removeprefix("s3://") not in self.s3.things:
            raise invalid(f"Could not find model data at {uri}.")
        self.models[name] = asked
        self._made(name)
        return {"ModelArn": f"{_ARN}model/{name}"}

    def describe_model(self, asked: dict[str, Any]) -> dict[str, Any]:
        return dict(self._find(self.models, asked["ModelName"], "model"))

    def delete_model(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = asked["ModelName"]
        self._unseen.pop(name, None)
        self._find(self.models, name, "model")
        users = [it for it in self._up() if self.configs.get(it.config, {}).get("model") == name]
        self._did("model deleted", name, unused=not users)
        del self.models[name]
        return {}

    def create_endpoint_config(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = asked["EndpointConfigName"]
        if name in self.configs:
            raise invalid(f'Cannot create already existing endpoint configuration "{_ARN}endpoint-config/{name}".')
        [variant] = asked["ProductionVariants"]
        if variant["ModelName"] not in self.models:
            raise invalid(f'Could not find model "{_ARN}model/{variant["ModelName"]}".')
        self.configs[name] = {**asked, "model": variant["ModelName"]}
        self._made(name)
        return {"EndpointConfigArn": f"{_ARN}endpoint-config/{name}"}

    def describe_endpoint_config(self, asked: dict[str, Any]) -> dict[str, Any]:
        return dict(self._find(self.configs, asked["EndpointConfigName"], "endpoint configuration"))

    def delete_endpoint_config(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = asked["EndpointConfigName"]
        self._unseen.pop(name, None)
        self._find(self.configs, name, "endpoint configuration")
        self._did("config deleted", name, unused=all(name not in {it.config, it.wanted} for it in self._up()))
        del self.configs[name]
        return {}

    def create_endpoint(self, asked: dict[str, Any]) -> dict[str, Any]:
        name, config, now = asked["EndpointName"], asked["EndpointConfigName"], self.clock()
        if name in self.endpoints:
            raise invalid(f'Cannot create already existing endpoint "{_ARN}endpoint/{name}".')
        self._need(config)
        self._have_room("create_endpoint")
        self.endpoints[name] = Endpoint(name, config, config, now, moves=now + ENDPOINT_SECONDS)
        self._made(name)
        self._did("created", name, config)
        return {"EndpointArn": f"{_ARN}endpoint/{name}"}

    def describe_endpoint(self, asked: dict[str, Any]) -> dict[str, Any]:
        it = self._find(self.endpoints, asked["EndpointName"], "endpoint")
        return {
            "EndpointName": it.name,
            "EndpointStatus": it.status,
            "EndpointConfigName": it.config,
            "CreationTime": _time(it.made),
            **({"FailureReason": it.reason} if it.reason else {}),
        }

    def update_endpoint(self, asked: dict[str, Any]) -> dict[str, Any]:
        it, config = self._there(asked["EndpointName"]), asked["EndpointConfigName"]
        self._need(config)
        if it.status != "InService":
            raise invalid(f'Cannot update in-progress endpoint "{_ARN}endpoint/{it.name}".')
        moves = self.clock() + ENDPOINT_SECONDS
        self.endpoints[it.name] = replace(it, status="Updating", wanted=config, moves=moves, reason=None)
        self._did("updated", it.name, config)
        return {"EndpointArn": f"{_ARN}endpoint/{it.name}"}

    def delete_endpoint(self, asked: dict[str, Any]) -> dict[str, Any]:
        it = self._there(asked["EndpointName"])
        if it.status not in {"InService", "Failed", "OutOfService", "UpdateRollbackFailed"}:
            raise invalid(f'Cannot update in-progress endpoint "{_ARN}endpoint/{it.name}".')
        self.endpoints[it.name] = replace(it, status="Deleting", moves=self.clock() + DELETE_SECONDS)
        self._did("deleted", it.name, it.config, unused=it.status != "InService")
        return {}

    def list_endpoints(self, asked: dict[str, Any]) -> dict[str, Any]:
        shown = [it for it in self.endpoints.values() if it.made <= self.clock() - LIST_LAG]
        named = [it for it in shown if asked.get("NameContains", "") in it.name]
        named.sort(key=lambda it: it.made, reverse=asked.get("SortOrder") == "Descending")
        told = [{"EndpointName": it.name, "EndpointStatus": it.status, "CreationTime": _time(it.made)} for it in named]
        return {"Endpoints": told[: asked.get("MaxResults", 10)]}

    # The registry.

    def create_model_package_group(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = asked["ModelPackageGroupName"]
        if name in self.groups:
            raise invalid(f"Model Package Group already exists: {_ARN}model-package-group/{name}")
        self.groups[name] = self.clock()
        return {"ModelPackageGroupArn": f"{_ARN}model-package-group/{name}"}

    def list_model_packages(self, asked: dict[str, Any]) -> dict[str, Any]:
        group = asked["ModelPackageGroupName"]
        if group not in self.groups:
            raise invalid(f"Model Package Group {group} does not exist.")
        found = [
            it
            for it in self.packages.values()
            if it.asked["ModelPackageGroupName"] == group and it.made <= self.clock() - LIST_LAG
        ]
        found.sort(key=lambda it: it.made, reverse=asked.get("SortOrder") == "Descending")
        told = [{"ModelPackageArn": it.arn, "ModelPackageDescription": _described(it)} for it in found]
        return {"ModelPackageSummaryList": told[: asked.get("MaxResults", 10)]}

    def create_model_package(self, asked: dict[str, Any]) -> dict[str, Any]:
        group, token = asked["ModelPackageGroupName"], asked.get("ClientToken", "")
        if group not in self.groups:
            raise invalid(f"Model Package Group {group} does not exist.")
        if token and token in self._tokens:
            return {"ModelPackageArn": self._tokens[token]}
        version = 1 + sum(it.asked["ModelPackageGroupName"] == group for it in self.packages.values())
        arn = f"{_ARN}model-package/{group}/{version}"
        self.packages[arn] = Package(arn, version, asked, self.clock(), asked["ModelApprovalStatus"])
        self._tokens[token] = arn
        return {"ModelPackageArn": arn}

    def describe_model_package(self, asked: dict[str, Any]) -> dict[str, Any]:
        it = self._package(asked["ModelPackageName"])
        return {
            "ModelPackageArn": it.arn,
            "ModelPackageVersion": it.version,
            "ModelApprovalStatus": it.approval,
            "ModelPackageDescription": _described(it),
            "CustomerMetadataProperties": it.asked.get("CustomerMetadataProperties", {}),
        }

    def update_model_package(self, asked: dict[str, Any]) -> dict[str, Any]:
        it, approval = self._package(asked["ModelPackageArn"]), asked["ModelApprovalStatus"]
        self.packages[it.arn] = replace(it, approval=approval)
        if approval != it.approval:
            detail = {"ModelPackageArn": it.arn, "ModelPackageGroupName": it.asked["ModelPackageGroupName"]}
            self.emit("SageMaker Model Package State Change", {**detail, "ModelApprovalStatus": approval})
        return {"ModelPackageArn": it.arn}

    # Time passes.

    def next_move(self) -> float | None:
        """Tell when the next thing that is under way comes to its end."""
        jobs = [job.moves for job in self.jobs.values() if job.status in _IN_PROGRESS]
        return min([*jobs, *(it.moves for it in self.endpoints.values() if it.moves is not None)], default=None)

    def move(self) -> None:
        """Let everything end whose time has come."""
        now = self.clock()
        for job in list(self.jobs.values()):
            if job.status in _IN_PROGRESS and job.moves <= now:
                self._end_job(job)
        for it in list(self.endpoints.values()):
            if it.moves is not None and it.moves <= now:
                self._end_change(it)

    def words(self, config: str) -> dict[str, str]:
        """Read what a configuration's model learned."""
        model = self.models.get(self.configs.get(config, {}).get("model", ""))
        if model is None:
            return {}
        return read_words(self.s3.things[model["PrimaryContainer"]["ModelDataUrl"].removeprefix("s3://")].body)

    def _end_job(self, job: Job) -> None:
        now = self.clock()
        data = b" ".join(self._data(job))
        told = read_words(data)
        reason = f"AlgorithmError: {told['fails']}" if "fails" in told else None
        if job.attempt <= int(told.get("capacity", "0")):
            reason = "CapacityError: Unable to provision requested ML compute capacity."
        uri = f"{job.asked['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{job.name}/output/model.tar.gz"
        ended = replace(job, ended=now)
        if job.status == "Stopping":
            ended = replace(ended, status="Stopped")
        elif reason:
            ended = replace(ended, status="Failed", reason=reason)
        else:
            bucket, _, key = uri.removeprefix("s3://").partition("/")
            self.s3.keep(bucket, key, data)
            labels = json.dumps(told.get("labels", "1,7").split(","))
            self.logs.lines[f"{job.name}/algo-1-1"] = ((now, "epoch 1"), (now, f"dropforge.labels={labels}"))
            metrics = {"validation:accuracy": float(told.get("accuracy", "0.97"))}
            ended = replace(ended, status="Completed", model=uri, metrics=metrics)
        self.jobs[job.name] = ended
        detail = {"TrainingJobName": job.name, "TrainingJobStatus": ended.status}
        self.emit("SageMaker Training Job State Change", detail)

    def _data(self, job: Job) -> Iterator[bytes]:
        for channel in job.asked["InputDataConfig"]:
            source = channel["DataSource"]["S3DataSource"]
            uri = source["S3Uri"].removeprefix("s3://")
            if source["S3DataType"] == "S3Prefix":
                yield from (it.body for key, it in sorted(self.s3.things.items()) if key.startswith(uri))
                continue
            head, *names = json.loads(self.s3.things[uri].body)
            yield from (self.s3.things[f"{head['prefix'].removeprefix('s3://')}{name}"].body for name in names)

    def _end_change(self, it: Endpoint) -> None:
        told = self.words(it.wanted)
        match it.status:
            case "Deleting":
                del self.endpoints[it.name]
                self._tell(it, "DELETED")
                return
            case "Creating" if told.get("up") == "fails":
                after = replace(it, status="Failed", reason="The container did not pass the ping health check.")
            case "Updating" if "fails" in {told.get("update"), told.get("up")}:
                after = replace(it, status="InService", wanted=it.config)
            case _:
                after = replace(it, status="InService", config=it.wanted)
        self.endpoints[it.name] = replace(after, moves=None)
        if after.status == "InService":
            self._did("in service", it.name, after.config)
        self._tell(it, {"InService": "IN_SERVICE"}.get(after.status, "FAILED"))

    def _tell(self, it: Endpoint, status: str) -> None:
        self.emit("SageMaker Endpoint State Change", {"EndpointName": it.name, "EndpointStatus": status})

    def _did(self, what: str, name: str, config: str = "", *, right: bool = False, unused: bool = True) -> None:
        self.history = (*self.history, Did(self.clock(), what, name, config, right, unused, self.count_writes()))

    def invoked(self, name: str, config: str, *, right: bool) -> None:
        self._did("invoked", name, config, right=right)

    def _made(self, name: str) -> None:
        if self.eventual:
            self._unseen[name] = self.clock() + SHOWN_AFTER

    def _is_unseen(self, name: str) -> bool:
        """Tell, once, that what was just made is not there."""
        return self._unseen.pop(name, 0.0) > self.clock()

    def _find(self, among: Mapping[str, Any], name: str, kind: str) -> Any:
        """Find what Describe is asked for, as late as Describe sees it."""
        if self._is_unseen(name) or name not in among:
            raise invalid(f'Could not find {kind} "{_ARN}{kind.replace(" ", "-")}/{name}".')
        return among[name]

    def _have_room(self, method: str) -> None:
        if self.full.get(method):
            self.full[method] -= 1
            message = "The account-level service limit of this instance type is 0 Instances."
            raise refusal("ResourceLimitExceeded", message, method)

    def _there(self, name: str) -> Endpoint:
        if name not in self.endpoints:
            raise invalid(f'Could not find endpoint "{_ARN}endpoint/{name}".')
        return self.endpoints[name]

    def _need(self, config: str) -> None:
        if config not in self.configs:
            raise invalid(f'Could not find endpoint configuration "{_ARN}endpoint-config/{config}".')

    def _package(self, arn: str) -> Package:
        if arn not in self.packages:
            raise invalid(f"ModelPackage {arn} does not exist.")
        return self.packages[arn]

    def _up(self) -> list[Endpoint]:
        """Give the endpoints that clients meet: a rehearsal that is given up may lack what it was made of."""
        there = [it for it in self.endpoints.values() if it.status not in {"Deleting", "Failed"}]
        return [it for it in there if "-rehearse-" not in it.name]


def read_words(data: bytes) -> dict[str, str]:
    return dict(part.split("=", 1) for part in data.decode().split() if "=" in part)


def _described(it: Package) -> str:
    return str(it.asked.get("ModelPackageDescription", ""))


def _time(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
