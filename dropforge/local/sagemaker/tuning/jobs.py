"""Tuning jobs: what the API says of them. `running.py` runs them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from dropforge.local.sagemaker import events, instances, listing, roles
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.jobs import metrics, training
from dropforge.local.sagemaker.kinds.kind import Jobs, Kind
from dropforge.local.sagemaker.store import Doc
from dropforge.local.sagemaker.tuning import fields, refusals, space, trials
from dropforge.local.sagemaker.wire.operation import Operation

_CARRIED = ("HyperParameterTuningJobConfig", "TrainingJobDefinition")
_DEFAULT_LENGTH = 10
_SORTS = {
    "Name": "TrainingJobName",
    "CreationTime": "CreationTime",
    "Status": "TrainingJobStatus",
    "FinalObjectiveMetricValue": "_figure",
}
KIND = Kind(
    name="hyper-parameter-tuning-job",
    noun="HyperParameterTuningJob",
    started="CreationTime",
    ended="HyperParameterTuningEndTime",
    listed="HyperParameterTuningJobSummaries",
    summary=(
        "HyperParameterTuningJobName", "HyperParameterTuningJobArn", "HyperParameterTuningJobStatus", "Strategy",
        "CreationTime", "HyperParameterTuningEndTime", "LastModifiedTime", "TrainingJobStatusCounters",
        "ObjectiveStatusCounters", "ResourceLimits",
    ),
    event=events.tuning,
    taken=refusals.TAKEN,
    missing=refusals.MISSING,
    over=refusals.OVER,
)  # fmt: skip


class TuningJobs:
    """The operations on tuning jobs. `launch` and `stop` reach the one who runs them."""

    def __init__(self, ground: Ground, launch: Callable[[str], None], stop: Callable[[str], None]) -> None:
        self._store = ground.store
        self._images = ground.images
        self._account = ground.account
        self._jobs = Jobs(ground, KIND, launch, stop)

    def operations(self) -> dict[str, Operation]:
        return {
            "CreateHyperParameterTuningJob": Operation(self.create, fields.UNUSED, fields.REFUSED),
            "DescribeHyperParameterTuningJob": Operation(self._jobs.describe),
            "ListHyperParameterTuningJobs": Operation(functools.partial(self._jobs.page, sort_by="Name")),
            "StopHyperParameterTuningJob": Operation(self._jobs.stop),
            "ListTrainingJobsForHyperParameterTuningJob": Operation(self.list_training),
        }

    def create(self, request: Mapping[str, Any]) -> Doc:
        name, config = request["HyperParameterTuningJobName"], request["HyperParameterTuningJobConfig"]
        self._jobs.refuse_taken(name)
        self._check(name, config, request.get("TrainingJobDefinition"))
        doc: Doc = {key: request[key] for key in _CARRIED}
        doc |= {"Strategy": config["Strategy"], "ResourceLimits": config["ResourceLimits"], "_trials": []}
        doc |= trials.counters([])
        return self._jobs.create(name, doc, request)

    def list_training(self, request: Mapping[str, Any]) -> Doc:
        """List the training jobs of one tuning job; those without a figure are not sorted by it, but left out."""
        key = _SORTS[request.get("SortBy", "Name")]
        of = f"{request['HyperParameterTuningJobName']} {key} {request.get('SortOrder')}"
        rows = [row for row in self._rows(request) if row.get(key) is not None]
        rows.sort(key=lambda row: (row[key], row["TrainingJobName"]), reverse=request.get("SortOrder") == "Descending")
        if token := request.get("NextToken"):
            names = [row["TrainingJobName"] for row in rows]
            last = listing.read_token(token, of)[1]
            rows = rows[names.index(last) + 1 :] if last in names else []
        limit = int(request.get("MaxResults") or _DEFAULT_LENGTH)
        page = rows[:limit]
        more = {"NextToken": listing.token(page[-1][key], page[-1]["TrainingJobName"], of)} if len(rows) > limit else {}
        return {"TrainingJobSummaries": page, **more}

    def _rows(self, request: Mapping[str, Any]) -> list[Doc]:
        doc = self._jobs.describe(request)
        rows = [
            trials.summary(doc, trial, self._store.get(training.KIND.name, trial["name"])) for trial in doc["_trials"]
        ]
        wanted = request.get("StatusEquals")
        return [row for row in rows if row and wanted in {None, row["TrainingJobStatus"]}]

    def _check(self, name: str, config: Mapping[str, Any], definition: Mapping[str, Any] | None) -> None:
        if not definition:
            raise refusals.NO_DEFINITION(name=name)
        roles.check(self._account, definition["RoleArn"])
        _check_instances(definition)
        algorithm = definition["AlgorithmSpecification"]
        if not algorithm.get("TrainingImage"):
            raise refusals.NO_IMAGE(name=name, member="TrainingImage")
        self._images.check(algorithm["TrainingImage"])
        metrics.check(algorithm.get("MetricDefinitions", ()))
        objective = config.get("HyperParameterTuningJobObjective")
        if not objective:
            raise refusals.NO_OBJECTIVE(name=name, strategy=config["Strategy"])
        if objective["MetricName"] not in {one["Name"] for one in algorithm.get("MetricDefinitions", ())}:
            raise refusals.NO_METRIC(name=name)
        _check_limits(name, config, space.read(config, definition.get("StaticHyperParameters") or {}))


def _check_instances(definition: Mapping[str, Any]) -> None:
    for member in ("ResourceConfig", "HyperParameterTuningResourceConfig"):
        given = definition.get(member) or {}
        types = [one["InstanceType"] for one in (given, *given.get("InstanceGroups", ())) if one.get("InstanceType")]
        instances.check_key(types, given.get("VolumeKmsKeyId"))


def _check_limits(name: str, config: Mapping[str, Any], found: space.Space) -> None:
    if not found.ranges and not found.choices:
        raise refusals.NO_RANGES(name=name)
    given = config["ResourceLimits"].get("MaxNumberOfTrainingJobs")
    if config["Strategy"] == "Grid":
        if found.ranges:
            raise refusals.GRID_RANGES(name=found.ranges[0].name)
        points = len(found.grid())
        if given not in {None, points}:
            raise refusals.GRID_LIMIT(points=points, given=given)
    elif given is None:
        raise refusals.NO_LIMIT(name=name, strategy=config["Strategy"])
