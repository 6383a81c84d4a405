"""Training jobs: what the API says of them. `running.py` runs them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from dropforge.local.sagemaker import events, images, listing
from dropforge.local.sagemaker.errors import ResourceInUseError, ValidationError
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.jobs import fields, filled, inputs, metrics, states
from dropforge.local.sagemaker.store import Doc, Event, MissingError, TakenError
from dropforge.local.sagemaker.wire.operation import Operation

KIND = "training-job"
_LONGEST = 86_400
"""Seconds that a job may run where it does not say: SageMaker's default of MaxRuntimeInSeconds."""
_CARRIED = (
    "TrainingJobName", "HyperParameters", "AlgorithmSpecification", "RoleArn", "InputDataConfig", "OutputDataConfig",
    "ResourceConfig", "VpcConfig", "StoppingCondition", "Environment", "ExperimentConfig", "ProfilerConfig",
    "DebugHookConfig",
)  # fmt: skip
_SUMMARY = (
    "TrainingJobName",
    "TrainingJobArn",
    "CreationTime",
    "TrainingEndTime",
    "LastModifiedTime",
    "TrainingJobStatus",
    "SecondaryStatus",
)
_MESSAGES = {
    "Starting": "Starting the training job",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopping": "Stopping the training job",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
}


class TrainingJobs:
    """The operations on training jobs. `launch` and `stop` reach the one who runs them."""

    def __init__(self, ground: Ground, launch: Callable[[str], None], stop: Callable[[str], None]) -> None:
        self._store = ground.store
        self._account = ground.account
        self._client = ground.client
        self._known = ground.images
        self._launch = launch
        self._stop = stop

    def operations(self) -> dict[str, Operation]:
        return {
            "CreateTrainingJob": Operation(self.create, fields.TRAINING_UNUSED, fields.TRAINING_REFUSED),
            "DescribeTrainingJob": Operation(self.describe),
            "ListTrainingJobs": Operation(self.list, refused=fields.LIST_TRAINING_REFUSED),
            "StopTrainingJob": Operation(self.stop),
        }

    def create(self, request: Mapping[str, Any]) -> Doc:
        name = request["TrainingJobName"]
        arn = self._account.arn(KIND, name)
        if self._store.get(KIND, name) is not None:
            raise _taken(arn)
        self._check(request)
        doc: Doc = {key: request[key] for key in _CARRIED if request.get(key) is not None} | filled.training(request)
        doc.setdefault("StoppingCondition", {"MaxRuntimeInSeconds": _LONGEST})
        doc |= {"TrainingJobArn": arn, "TrainingJobStatus": "InProgress", "CreationTime": time.time()}
        doc |= {"SecondaryStatusTransitions": [], "_tags": list(request.get("Tags", ())), "_stop": False}
        enter(doc, "Starting")
        try:
            self._store.create(KIND, name, doc, events.training(doc))
        except TakenError as error:
            raise _taken(arn) from error
        self._launch(name)
        return {"TrainingJobArn": arn}

    def describe(self, request: Mapping[str, Any]) -> Doc:
        doc = self._store.get(KIND, request["TrainingJobName"])
        if doc is None:
            raise _missing()
        return doc

    def list(self, request: Mapping[str, Any]) -> Doc:
        found, more = listing.page(self._store, listing.Ask(KIND, request, descending=False))
        return {"TrainingJobSummaries": [{name: doc.get(name) for name in _SUMMARY} for doc in found], **more}

    def stop(self, request: Mapping[str, Any]) -> Doc:
        def ask(doc: Doc) -> list[Event]:
            if doc["TrainingJobStatus"] in states.FINAL:
                status = doc["TrainingJobStatus"]
                raise ValidationError(f"The request was rejected because the training job is in status {status}.")
            if doc["_stop"]:
                return []
            doc |= {"_stop": True, "TrainingJobStatus": "Stopping"}
            enter(doc, "Stopping")
            return [events.training(doc)]

        try:
            self._store.change(KIND, request["TrainingJobName"], ask)
        except MissingError as error:
            raise _missing() from error
        self._stop(request["TrainingJobName"])
        return {}

    def _check(self, request: Mapping[str, Any]) -> None:
        algorithm = request.get("AlgorithmSpecification") or {}
        if not algorithm.get("TrainingImage"):
            raise ValidationError("The local cloud needs AlgorithmSpecification.TrainingImage.")
        images.folder(algorithm["TrainingImage"], self._known)
        metrics.check(algorithm.get("MetricDefinitions", ()))
        resources = request.get("ResourceConfig") or {}
        if not resources.get("InstanceType") or not resources.get("InstanceCount"):
            raise ValidationError("ResourceConfig needs InstanceType and InstanceCount.")
        if resources["InstanceCount"] != 1:
            raise ValidationError("The local cloud trains on one instance: ResourceConfig.InstanceCount must be 1.")
        names = [channel["ChannelName"] for channel in request.get("InputDataConfig", ())]
        if len(names) != len(set(names)):
            raise ValidationError("Channel names must be unique within a training job.")
        for channel in request.get("InputDataConfig", ()):
            inputs.check(self._client("s3"), channel, request["RoleArn"], self._account.region)


def enter(doc: Doc, secondary: str, message: str | None = None) -> None:
    """Move a job to its next secondary status, and keep the time of the step."""
    now = time.time()
    if doc["SecondaryStatusTransitions"]:
        doc["SecondaryStatusTransitions"][-1]["EndTime"] = now
    step: Doc = {"Status": secondary, "StartTime": now, "StatusMessage": message or _MESSAGES[secondary]}
    if secondary in states.FINAL | {"MaxRuntimeExceeded"}:
        step["EndTime"] = now
    doc["SecondaryStatusTransitions"].append(step)
    doc |= {"SecondaryStatus": secondary, "LastModifiedTime": now}


def _taken(arn: str) -> ResourceInUseError:
    return ResourceInUseError(
        "Training job names must be unique within an AWS account and region, and a training job with this name already"
        f" exists ({arn})"
    )


def _missing() -> ValidationError:
    return ValidationError("Requested resource not found.")
