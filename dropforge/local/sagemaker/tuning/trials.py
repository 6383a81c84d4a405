"""The training jobs of a tuning job: what each is asked to do, and what is told of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from dropforge.local.sagemaker.kinds.kind import FINAL
from dropforge.local.sagemaker.store import Doc
from dropforge.local.sagemaker.tuning.decide import Launch, Trial

OBJECTIVE = "_tuning_objective_metric"
"""The hyperparameter in which SageMaker tells the container what it is tuned for."""
INSTANCES = "HyperParameterTuningResourceConfig"
"""How SageMaker's SDK names the instances: what of it is not refused has the members of a ResourceConfig."""
_LOST = "InternalServerError"
_CARRIED = (
    "AlgorithmSpecification", "RoleArn", "InputDataConfig", "OutputDataConfig", "ResourceConfig", "StoppingCondition",
    "Environment", "VpcConfig", "EnableNetworkIsolation", "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining", "CheckpointConfig", "RetryStrategy",
)  # fmt: skip
_TOLD = (
    "TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingStartTime", "TrainingEndTime", "TrainingJobStatus",
    "FailureReason",
)  # fmt: skip


def entry(job: Doc, step: Launch) -> Doc:
    """Give what is remembered of a training job before it is started: its name tells what it tries."""
    said = json.dumps([job["HyperParameterTuningJobArn"], step.place, step.tries, dict(step.values)], sort_keys=True)
    number = len(job["_trials"]) + 1
    name = f"{job['HyperParameterTuningJobName']}-{number:03}-{hashlib.sha256(said.encode()).hexdigest()[:8]}"
    return {"name": name, "place": step.place, "tries": step.tries, "values": dict(step.values)}


def request(job: Doc, trial: Doc) -> Doc:
    """Ask for a training job as the definition says, with a trial's values."""
    definition = job["TrainingJobDefinition"]
    asked = {name: definition[name] for name in _CARRIED if definition.get(name) is not None}
    if instances := definition.get(INSTANCES):
        asked["ResourceConfig"] = instances
    if checkpoints := asked.get("CheckpointConfig"):  # one job's are not another's
        asked["CheckpointConfig"] = {**checkpoints, "S3Uri": f"{checkpoints['S3Uri'].rstrip('/')}/{trial['name']}"}
    static = definition.get("StaticHyperParameters") or {}
    return {
        **asked,
        "TrainingJobName": trial["name"],
        "HyperParameters": {**static, **trial["values"], OBJECTIVE: _objective(job)["MetricName"]},
        "Tags": job["_tags"],
    }


def seen(job: Doc, trial: Doc, found: Doc | None) -> Trial:
    """Tell what is known of a training job; one that is not there has still to be started."""
    status = found["TrainingJobStatus"] if found else "InProgress"
    lost = status == "Failed" and str((found or {}).get("FailureReason", "")).startswith(_LOST)
    return Trial(trial["name"], trial["place"], trial["tries"], trial["values"], status, _figure(job, found), lost=lost)


def summary(job: Doc, trial: Doc, found: Doc | None) -> Doc:
    """Tell a training job as the lists and BestTrainingJob do; nothing of one that has still to be started."""
    if found is None:
        return {}
    figure = _figure(job, found)
    status = "Pending" if found["TrainingJobStatus"] not in FINAL else "Failed" if figure is None else "Succeeded"
    told: Doc = {name: found[name] for name in _TOLD if found.get(name) is not None}
    told |= {"TunedHyperParameters": trial["values"], "ObjectiveStatus": status, "_figure": figure}
    if called := job["TrainingJobDefinition"].get("DefinitionName"):
        told["TrainingJobDefinitionName"] = called
    if figure is not None:
        told["FinalHyperParameterTuningJobObjectiveMetric"] = {**_objective(job), "Value": figure}
    return told


def counters(trials: Sequence[Trial]) -> Doc:
    """Count the training jobs, by how they are and by what they gave."""
    by = [trial.status for trial in trials]
    lost = sum(trial.lost for trial in trials)
    told = sum(trial.figure is not None for trial in trials)
    ended = sum(status in FINAL for status in by)
    return {
        "TrainingJobStatusCounters": {
            "Completed": by.count("Completed"),
            "InProgress": len(by) - ended,
            "RetryableError": lost,
            "NonRetryableError": by.count("Failed") - lost,
            "Stopped": by.count("Stopped"),
        },
        "ObjectiveStatusCounters": {"Succeeded": told, "Pending": len(by) - ended, "Failed": ended - told},
    }


def _objective(job: Doc) -> Mapping[str, Any]:
    objective: Mapping[str, Any] = job["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]
    return objective


def _figure(job: Doc, found: Doc | None) -> float | None:
    """Give the last figure of the objective, of a job that has ended and has not failed."""
    if not found or found["TrainingJobStatus"] not in {"Completed", "Stopped"}:
        return None
    wanted = _objective(job)["MetricName"]
    figures = [one["Value"] for one in found.get("FinalMetricDataList", ()) if one["MetricName"] == wanted]
    return figures[-1] if figures else None
