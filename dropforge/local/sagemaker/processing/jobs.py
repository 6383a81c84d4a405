"""Processing jobs: what the API says of them. `running.py` runs them."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dropforge.local.sagemaker import events, instances, roles
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.jobs import synced
from dropforge.local.sagemaker.jobs.cluster import MOST_HOSTS
from dropforge.local.sagemaker.kinds.kind import Jobs, Kind
from dropforge.local.sagemaker.processing import fields, refusals
from dropforge.local.sagemaker.store import Doc
from dropforge.local.sagemaker.wire.operation import Operation

PROGRAM = "process"
"""What an image's folder runs where a job names no entry point."""
WITHIN = "/opt/ml/processing/"
_LONGEST = 86_400
"""Seconds that a job may run where it does not say: SageMaker's default of MaxRuntimeInSeconds."""
_CARRIED = (
    "ProcessingInputs", "ProcessingOutputConfig", "ProcessingResources", "StoppingCondition", "AppSpecification",
    "Environment", "NetworkConfig", "RoleArn", "ExperimentConfig",
)  # fmt: skip
KIND = Kind(
    name="processing-job",
    noun="ProcessingJob",
    started="ProcessingStartTime",
    ended="ProcessingEndTime",
    listed="ProcessingJobSummaries",
    summary=(
        "ProcessingJobName", "ProcessingJobArn", "CreationTime", "ProcessingEndTime", "LastModifiedTime",
        "ProcessingJobStatus", "FailureReason", "ExitMessage",
    ),
    event=events.processing,
    taken=refusals.TAKEN,
    missing=refusals.MISSING,
    over=refusals.OVER,
)  # fmt: skip


class ProcessingJobs:
    """The operations on processing jobs. `launch` and `stop` reach the one who runs them."""

    def __init__(self, ground: Ground, launch: Callable[[str], None], stop: Callable[[str], None]) -> None:
        self._images = ground.images
        self._account = ground.account
        self._jobs = Jobs(ground, KIND, launch, stop)

    def operations(self) -> dict[str, Operation]:
        return {
            "CreateProcessingJob": Operation(self.create, fields.UNUSED, fields.REFUSED),
            "DescribeProcessingJob": Operation(self._jobs.describe),
            "ListProcessingJobs": Operation(self._jobs.page),
            "StopProcessingJob": Operation(self._jobs.stop),
        }

    def create(self, request: Mapping[str, Any]) -> Doc:
        name = request["ProcessingJobName"]
        self._jobs.refuse_taken(name)
        self._check(request)
        doc: Doc = {key: request[key] for key in _CARRIED if request.get(key) is not None}
        doc.setdefault("StoppingCondition", {"MaxRuntimeInSeconds": _LONGEST})
        return self._jobs.create(name, doc, request)

    def _check(self, request: Mapping[str, Any]) -> None:
        roles.check(self._account, request["RoleArn"])
        resources, application = request["ProcessingResources"]["ClusterConfig"], request["AppSpecification"]
        if not resources.get("InstanceType") or not resources.get("InstanceCount"):
            raise refusals.NO_INSTANCES(member="ProcessingResources.ClusterConfig")
        if resources["InstanceCount"] > MOST_HOSTS:
            asked = {"type": resources["InstanceType"], "asked": resources["InstanceCount"]}
            raise refusals.TOO_MANY_HOSTS(most=MOST_HOSTS, **asked)
        image = self._images.check(application["ImageUri"])
        if resources["InstanceCount"] > 1 and (why := image.missing_network()):
            raise refusals.NO_NETWORK(why=why)
        instances.check_key([resources["InstanceType"]], resources.get("VolumeKmsKeyId"))
        if not application.get("ContainerEntrypoint") and image.default(PROGRAM) is None:
            raise refusals.NO_PROGRAM(image=application["ImageUri"])
        inputs = list(request.get("ProcessingInputs") or ())
        outputs = list((request.get("ProcessingOutputConfig") or {}).get("Outputs", ()))
        paths = _check_sides("Input", "InputName", inputs)
        if taken := _repeated(paths):
            raise refusals.SAME_PATH(path=taken)
        _check_sides("Output", "OutputName", outputs)


def _check_sides(what: str, called: str, given: list[Mapping[str, Any]]) -> list[str]:
    """Check inputs or outputs; gives their places in the container."""
    names = [one.get(called) for one in given]
    for name in names:
        if not name:
            raise refusals.NO_SOURCE(what=f"A processing {what.lower()}", member=called)
    if taken := _repeated(names):
        raise refusals.SAME_NAME(what=what, name=taken)
    return [_place(f"{what} {name}", one.get(f"S3{what}"), f"S3{what}") for name, one in zip(names, given, strict=True)]


def _place(what: str, side: Mapping[str, Any] | None, member: str) -> str:
    if not side:
        raise refusals.NO_SOURCE(what=what, member=member)
    path = side.get("LocalPath")
    if not path:
        raise refusals.NO_PATH(what=what)
    place: str = posixpath.normpath(path)
    if not place.startswith(WITHIN) or not synced.is_allowed(place):
        raise refusals.ELSEWHERE(what=what, path=path)
    return place


def _repeated(names: Iterable[str | None]) -> str | None:
    seen: set[str | None] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
