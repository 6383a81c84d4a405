"""Labelling jobs: what the API says of them. `running.py` waits for their labels."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from dropforge.local.sagemaker import events, roles
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.kinds.kind import Jobs, Kind
from dropforge.local.sagemaker.labelling import fields, refusals
from dropforge.local.sagemaker.store import Doc
from dropforge.local.sagemaker.wire.operation import Operation

_CARRIED = (
    "LabelAttributeName", "InputConfig", "OutputConfig", "RoleArn", "LabelCategoryConfigS3Uri", "StoppingConditions",
    "HumanTaskConfig",
)  # fmt: skip
_COUNTERS = ("TotalLabeled", "HumanLabeled", "MachineLabeled", "FailedNonRetryableError", "Unlabeled")
KIND = Kind(
    name="labeling-job",
    noun="LabelingJob",
    started="CreationTime",
    ended="_ended",  # Describe tells no such time
    listed="LabelingJobSummaryList",
    summary=(
        "LabelingJobName", "LabelingJobArn", "CreationTime", "LastModifiedTime", "LabelingJobStatus", "LabelCounters",
        "WorkteamArn", "PreHumanTaskLambdaArn", "AnnotationConsolidationLambdaArn", "FailureReason",
        "LabelingJobOutput", "InputConfig",
    ),
    event=events.labelling,
    taken=refusals.TAKEN,
    missing=refusals.MISSING,
    over=refusals.OVER,
)  # fmt: skip


class LabellingJobs:
    """The operations on labelling jobs. `launch` and `stop` reach the one who waits for their labels."""

    def __init__(self, ground: Ground, launch: Callable[[str], None], stop: Callable[[str], None]) -> None:
        self._account = ground.account
        self._jobs = Jobs(ground, KIND, launch, stop)

    def operations(self) -> dict[str, Operation]:
        return {
            "CreateLabelingJob": Operation(self.create, fields.UNUSED, fields.REFUSED),
            "DescribeLabelingJob": Operation(self.describe),
            "ListLabelingJobs": Operation(self._jobs.page),
            "StopLabelingJob": Operation(self._jobs.stop),
        }

    def create(self, request: Mapping[str, Any]) -> Doc:
        name, human = request["LabelingJobName"], request["HumanTaskConfig"]
        self._jobs.refuse_taken(name)
        roles.check(self._account, request["RoleArn"])
        if not request["InputConfig"]["DataSource"].get("S3DataSource", {}).get("ManifestS3Uri"):
            raise refusals.NO_MANIFEST(name=name)
        if request["LabelAttributeName"].endswith("-metadata"):
            raise refusals.BAD_ATTRIBUTE(attribute=request["LabelAttributeName"])
        doc: Doc = {key: request[key] for key in _CARRIED if request.get(key) is not None}
        consolidation = (human.get("AnnotationConsolidationConfig") or {}).get("AnnotationConsolidationLambdaArn")
        doc |= {"WorkteamArn": human["WorkteamArn"], "AnnotationConsolidationLambdaArn": consolidation}
        doc |= {"PreHumanTaskLambdaArn": human.get("PreHumanTaskLambdaArn"), "JobReferenceCode": uuid.uuid4().hex}
        doc["LabelCounters"] = dict.fromkeys(_COUNTERS, 0)
        return self._jobs.create(name, doc, request, status="Initializing")

    def describe(self, request: Mapping[str, Any]) -> Doc:
        doc = self._jobs.describe(request)
        return {**doc, "Tags": doc["_tags"]}
