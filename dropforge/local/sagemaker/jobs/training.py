"""Training jobs: what the API says of them. `running.py` runs them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from dropforge.local.sagemaker import events, listing, roles, tags
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.jobs import cluster, fields, filled, inputs, metrics, refusals, states, steps, synced
from dropforge.local.sagemaker.jobs.steps import enter
from dropforge.local.sagemaker.store import Doc, Event, MissingError, TakenError
from dropforge.local.sagemaker.wire.operation import Operation

KIND = steps.KIND
_LONGEST = 86_400
"""Seconds that a job may run where it does not say: SageMaker's default of MaxRuntimeInSeconds."""
_CARRIED = (
    "TrainingJobName", "HyperParameters", "AlgorithmSpecification", "RoleArn", "InputDataConfig", "OutputDataConfig",
    "ResourceConfig", "VpcConfig", "StoppingCondition", "Environment", "ExperimentConfig", "ProfilerConfig",
    "CheckpointConfig", "RetryStrategy", "TensorBoardOutputConfig", "DebugHookConfig",
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


class TrainingJobs:
    """The operations on training jobs. `launch` and `stop` reach the one who runs them."""

    def __init__(self, ground: Ground, launch: Callable[[str], None], stop: Callable[[str], None]) -> None:
        self._store = ground.store
        self._account = ground.account
        self._client = ground.client
        self._images = ground.images
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
            raise refusals.TAKEN(arn=arn)
        self._check(request)
        doc: Doc = {key: request[key] for key in _CARRIED if request.get(key) is not None}
        doc |= filled.training(request)
        doc["StoppingCondition"] = {"MaxRuntimeInSeconds": _LONGEST, **request.get("StoppingCondition", {})}
        doc |= {"TrainingJobArn": arn, "TrainingJobStatus": "InProgress", "CreationTime": time.time()}
        doc |= {"SecondaryStatusTransitions": [], "_tags": tags.given(request), "_stop": False}
        enter(doc, "Starting")
        try:
            self._store.create(KIND, name, doc, events.training(doc))
        except TakenError as error:
            raise refusals.TAKEN(arn=arn) from error
        self._launch(name)
        return {"TrainingJobArn": arn}

    def describe(self, request: Mapping[str, Any]) -> Doc:
        doc = self._store.get(KIND, request["TrainingJobName"])
        if doc is None:
            raise refusals.MISSING(name=request["TrainingJobName"])
        return doc

    def list(self, request: Mapping[str, Any]) -> Doc:
        found, more = listing.page(self._store, listing.Ask(KIND, request, descending=False))
        return {"TrainingJobSummaries": [{name: doc.get(name) for name in _SUMMARY} for doc in found], **more}

    def stop(self, request: Mapping[str, Any]) -> Doc:
        def ask(doc: Doc) -> list[Event]:
            if doc["TrainingJobStatus"] in states.FINAL:
                raise refusals.ENDED(status=doc["TrainingJobStatus"])
            if doc["_stop"]:
                return []
            doc |= {"_stop": True, "TrainingJobStatus": "Stopping"}
            enter(doc, "Stopping")
            return [events.training(doc)]

        try:
            self._store.change(KIND, request["TrainingJobName"], ask)
        except MissingError as error:
            raise refusals.MISSING(name=request["TrainingJobName"]) from error
        self._stop(request["TrainingJobName"])
        return {}

    def _check(self, request: Mapping[str, Any]) -> None:
        roles.check(self._account, request["RoleArn"])
        algorithm = request.get("AlgorithmSpecification") or {}
        if not algorithm.get("TrainingImage"):
            raise refusals.NO_IMAGE(job=request["TrainingJobName"])
        image = self._images.check(algorithm["TrainingImage"])
        metrics.check(algorithm.get("MetricDefinitions", ()))
        cluster.check(request, image)
        _check_waiting(request)
        for path in synced.paths(request):
            if not synced.is_allowed(path):
                raise refusals.NO_SUCH_FOLDER(path=path)
        names = [channel["ChannelName"] for channel in request.get("InputDataConfig", ())]
        if len(names) != len(set(names)):
            raise refusals.SAME_CHANNELS(job=request["TrainingJobName"])
        for channel in request.get("InputDataConfig", ()):
            inputs.check(
                self._client("s3"), channel, request["RoleArn"], self._account.region, algorithm["TrainingInputMode"]
            )


def _check_waiting(request: Mapping[str, Any]) -> None:
    """Refuse times that do not fit spot instances, or the lack of them."""
    condition = request.get("StoppingCondition") or {}
    wait = condition.get("MaxWaitTimeInSeconds")
    if not request.get("EnableManagedSpotTraining"):
        if wait is not None:
            raise refusals.WAIT_WITHOUT_SPOT(wait=wait)
    elif wait is None or wait < condition.get("MaxRuntimeInSeconds", _LONGEST):
        raise refusals.WAIT_TOO_SHORT(wait=wait)
