"""Transform jobs: what the API says of them. `running.py` runs them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from dropforge.local.sagemaker import events, instances
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.hosting import models
from dropforge.local.sagemaker.kinds.kind import Jobs, Kind
from dropforge.local.sagemaker.store import Doc
from dropforge.local.sagemaker.transform import fields, joining, refusals
from dropforge.local.sagemaker.wire.operation import Operation

_MOST = 100
"""Megabytes under way at once."""
_CARRIED = (
    "ModelName", "MaxConcurrentTransforms", "ModelClientConfig", "MaxPayloadInMB", "BatchStrategy", "Environment",
    "TransformInput", "TransformOutput", "TransformResources", "DataProcessing", "ExperimentConfig",
)  # fmt: skip
KIND = Kind(
    name="transform-job",
    noun="TransformJob",
    started="TransformStartTime",
    ended="TransformEndTime",
    listed="TransformJobSummaries",
    summary=(
        "TransformJobName", "TransformJobArn", "CreationTime", "TransformEndTime", "LastModifiedTime",
        "TransformJobStatus", "FailureReason",
    ),
    event=events.transform,
    taken=refusals.TAKEN,
    missing=refusals.MISSING,
    over=refusals.OVER,
)  # fmt: skip


class TransformJobs:
    """The operations on transform jobs. `launch` and `stop` reach the one who runs them."""

    def __init__(self, ground: Ground, launch: Callable[[str], None], stop: Callable[[str], None]) -> None:
        self._store = ground.store
        self._account = ground.account
        self._jobs = Jobs(ground, KIND, launch, stop)

    def operations(self) -> dict[str, Operation]:
        return {
            "CreateTransformJob": Operation(self.create, fields.UNUSED, fields.REFUSED),
            "DescribeTransformJob": Operation(self._jobs.describe),
            "ListTransformJobs": Operation(functools.partial(self._jobs.page, descending=True)),
            "StopTransformJob": Operation(self._jobs.stop),
        }

    def create(self, request: Mapping[str, Any]) -> Doc:
        name = request["TransformJobName"]
        self._jobs.refuse_taken(name)
        model = self._check(request)
        doc: Doc = {key: request[key] for key in _CARRIED if request.get(key) is not None}
        doc["_container"] = models.container(model)  # what becomes of the model later does not touch the job
        return self._jobs.create(name, doc, request)

    def _check(self, request: Mapping[str, Any]) -> Doc:
        model = self._store.get(models.MODEL, request["ModelName"])
        if model is None:
            raise refusals.NO_MODEL(arn=self._account.arn(models.MODEL, request["ModelName"]))
        resources = request["TransformResources"]
        instances.check_key([resources["InstanceType"]], resources.get("VolumeKmsKeyId"))
        payload = request.get("MaxPayloadInMB")
        if payload == 0:
            raise refusals.CHUNKED(given=payload)
        if (payload or 1) * (request.get("MaxConcurrentTransforms") or 1) > _MOST:
            raise refusals.TOO_LARGE(given=payload)
        joining.joining(request)
        return model
