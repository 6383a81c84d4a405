"""Training jobs: what the API says of them. `running.py` runs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dropforge.local.sagemaker import roles
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.jobs import cluster, fields, filled, inputs, metrics, refusals, steps, synced
from dropforge.local.sagemaker.kinds.kind import Jobs
from dropforge.local.sagemaker.store import Doc
from dropforge.local.sagemaker.wire.operation import Operation

KIND = steps.KIND
_LONGEST = 86_400
"""Seconds that a job may run where it does not say: SageMaker's default of MaxRuntimeInSeconds."""
_LONGEST_EVER = 28 * 86_400
_CARRIED = (
    "TrainingJobName", "HyperParameters", "AlgorithmSpecification", "RoleArn", "InputDataConfig", "OutputDataConfig",
    "ResourceConfig", "VpcConfig", "StoppingCondition", "Environment", "ExperimentConfig", "ProfilerConfig",
    "CheckpointConfig", "RetryStrategy", "TensorBoardOutputConfig", "DebugHookConfig",
)  # fmt: skip


class TrainingJobs:
    """The operations on training jobs. `launch` and `stop` reach the one who runs them."""

    def __init__(self, ground: Ground, launch: Callable[[str], None], stop: Callable[[str], None]) -> None:
        self._account = ground.account
        self._client = ground.client
        self._images = ground.images
        self._jobs = Jobs(ground, KIND, launch, stop)
        self.stop = self._jobs.stop

    def operations(self) -> dict[str, Operation]:
        return {
            "CreateTrainingJob": Operation(self.create, fields.TRAINING_UNUSED, fields.TRAINING_REFUSED),
            "DescribeTrainingJob": Operation(self._jobs.describe),
            "ListTrainingJobs": Operation(self._jobs.page, refused=fields.LIST_TRAINING_REFUSED),
            "StopTrainingJob": Operation(self.stop),
        }

    def create(self, request: Mapping[str, Any]) -> Doc:
        name = request["TrainingJobName"]
        self._jobs.refuse_taken(name)
        self._check(request)
        doc: Doc = {key: request[key] for key in _CARRIED if request.get(key) is not None}
        doc |= filled.training(request)
        doc["StoppingCondition"] = {"MaxRuntimeInSeconds": _LONGEST, **request.get("StoppingCondition", {})}
        doc["SecondaryStatusTransitions"] = []
        return self._jobs.create(name, doc, request)

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
            if synced.is_input(path):
                raise refusals.FOLDER_OF_INPUTS(path=path)
        inputs.check_names(request.get("InputDataConfig", ()), algorithm["TrainingInputMode"])
        for channel in request.get("InputDataConfig", ()):
            inputs.check(
                self._client("s3"), channel, request["RoleArn"], self._account.region, algorithm["TrainingInputMode"]
            )


def _check_waiting(request: Mapping[str, Any]) -> None:
    """Refuse times that are too long, or do not fit spot instances, or the lack of them."""
    condition = request.get("StoppingCondition") or {}
    if (given := condition.get("MaxRuntimeInSeconds", _LONGEST)) > _LONGEST_EVER:
        raise refusals.TOO_LONG(given=given, most=_LONGEST_EVER)
    wait = condition.get("MaxWaitTimeInSeconds")
    if not request.get("EnableManagedSpotTraining"):
        if wait is not None:
            raise refusals.WAIT_WITHOUT_SPOT(wait=wait)
    elif wait is None or wait < condition.get("MaxRuntimeInSeconds", _LONGEST):
        raise refusals.WAIT_TOO_SHORT(wait=wait)
