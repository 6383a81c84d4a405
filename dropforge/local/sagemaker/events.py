"""State changes as EventBridge tells of them: AWS's detail types, spellings and times (milliseconds since 1970)."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dropforge.local.sagemaker.store import Doc, Event, Store

Emit = Callable[[str, dict[str, Any], list[str]], None]
_TRAINING = (
    "TrainingJobName", "TrainingJobArn", "TrainingJobStatus", "SecondaryStatus", "FailureReason", "HyperParameters",
    "AlgorithmSpecification", "RoleArn", "InputDataConfig", "OutputDataConfig", "ResourceConfig", "StoppingCondition",
    "ModelArtifacts", "FinalMetricDataList", "Environment", "SecondaryStatusTransitions",
)  # fmt: skip
_ENDPOINT = ("EndpointName", "EndpointArn", "EndpointConfigName", "ProductionVariants", "FailureReason")
_PACKAGE = (
    "ModelPackageName", "ModelPackageGroupName", "ModelPackageVersion", "ModelPackageArn", "ModelPackageStatus",
    "ModelPackageDescription", "InferenceSpecification", "ModelApprovalStatus", "ApprovalDescription",
    "CustomerMetadataProperties",
)  # fmt: skip
_PROCESSING = (
    "ProcessingJobName", "ProcessingJobArn", "ProcessingJobStatus", "FailureReason", "ExitMessage", "ProcessingInputs",
    "ProcessingOutputConfig", "ProcessingResources", "StoppingCondition", "AppSpecification", "Environment",
    "NetworkConfig", "RoleArn", "ExperimentConfig",
)  # fmt: skip
_TRANSFORM = (
    "TransformJobName", "TransformJobArn", "TransformJobStatus", "FailureReason", "ModelName",
    "MaxConcurrentTransforms", "ModelClientConfig", "MaxPayloadInMB", "BatchStrategy", "Environment", "TransformInput",
    "TransformOutput", "TransformResources", "DataProcessing", "ExperimentConfig",
)  # fmt: skip
_TUNING = (
    "HyperParameterTuningJobName", "HyperParameterTuningJobArn", "HyperParameterTuningJobStatus", "FailureReason",
    "HyperParameterTuningJobConfig", "TrainingJobDefinition", "TrainingJobDefinitions", "TrainingJobStatusCounters",
    "ObjectiveStatusCounters", "BestTrainingJob", "TuningJobCompletionDetails",
)  # fmt: skip
_LABELLING = (
    "LabelingJobName", "LabelingJobArn", "LabelingJobStatus", "FailureReason", "LabelCounters", "LabelAttributeName",
    "InputConfig", "OutputConfig", "RoleArn", "LabelCategoryConfigS3Uri", "StoppingConditions", "HumanTaskConfig",
    "JobReferenceCode", "LabelingJobOutput",
)  # fmt: skip
_TIMES = (
    "CreationTime", "TrainingStartTime", "TrainingEndTime", "LastModifiedTime", "StartTime", "EndTime", "Timestamp",
    "ProcessingStartTime", "ProcessingEndTime", "TransformStartTime", "TransformEndTime", "HyperParameterTuningEndTime",
)  # fmt: skip
_PAUSE = 0.5

logger = logging.getLogger(__name__)


def training(doc: Doc) -> Event:
    return Event("SageMaker Training Job State Change", _detail(doc, _TRAINING), [doc["TrainingJobArn"]])


def endpoint(doc: Doc) -> Event:
    status = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", doc["EndpointStatus"]).upper()
    detail = {**_detail(doc, _ENDPOINT), "EndpointStatus": status}
    return Event("SageMaker Endpoint State Change", detail, [doc["EndpointArn"]])


def package(doc: Doc) -> Event:
    return Event("SageMaker Model Package State Change", _detail(doc, _PACKAGE), [doc["ModelPackageArn"]])


def processing(doc: Doc) -> Event:
    return Event("SageMaker Processing Job State Change", _detail(doc, _PROCESSING), [doc["ProcessingJobArn"]])


def transform(doc: Doc) -> Event:
    return Event("SageMaker Transform Job State Change", _detail(doc, _TRANSFORM), [doc["TransformJobArn"]])


def tuning(doc: Doc) -> Event:
    kind = "SageMaker HyperParameter Tuning Job State Change"
    return Event(kind, _detail(doc, _TUNING), [doc["HyperParameterTuningJobArn"]])


def labelling(doc: Doc) -> Event:
    return Event("SageMaker Ground Truth Labeling Job State Change", _detail(doc, _LABELLING), [doc["LabelingJobArn"]])


def _detail(doc: Doc, names: Sequence[str]) -> dict[str, Any]:
    present = {name: doc[name] for name in (*names, *_TIMES) if doc.get(name) is not None}
    return {**_in_milliseconds(present), "Tags": {tag["Key"]: tag["Value"] for tag in doc.get("_tags", [])}}


def _in_milliseconds(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: int(part * 1000) if key in _TIMES else _in_milliseconds(part) for key, part in value.items()}
    return [_in_milliseconds(part) for part in value] if isinstance(value, list) else value


class Messenger:
    """Sends committed events, in order; one that cannot be sent is sent again, also by the next life of the cloud."""

    def __init__(self, store: Store, emit: Emit) -> None:
        self._store = store
        self._emit = emit
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sagemaker-events", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def _run(self) -> None:
        while not self._stopping.is_set():
            for number, event in self._store.next_events(_PAUSE):
                if self._stopping.is_set() or not self._send(event):
                    break
                self._store.sent(number)

    def _send(self, event: Event) -> bool:
        try:
            self._emit(event.type, dict(event.detail), list(event.resources))
        except Exception:  # the edge of the thread: the event stays, and is sent again
            logger.exception("an event was not sent")
            self._stopping.wait(_PAUSE)
            return False
        return True
