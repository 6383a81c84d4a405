"""Members of the requests of tuning jobs that have no effect here, and those that are refused, each with the reason."""

from __future__ import annotations

from collections.abc import Mapping

from dropforge.local.sagemaker.jobs import fields

_DEFINITION = "TrainingJobDefinition"
_INSTANCES = f"{_DEFINITION}.HyperParameterTuningResourceConfig"
_ONE_MACHINE = "one machine plays all the instances"
_SHARED = frozenset(
    {
        "AlgorithmSpecification", "InputDataConfig", "VpcConfig", "OutputDataConfig", "ResourceConfig",
        "StoppingCondition", "EnableNetworkIsolation", "EnableInterContainerTrafficEncryption",
        "EnableManagedSpotTraining", "CheckpointConfig", "RetryStrategy",
    }
)  # fmt: skip
_EVERYWHERE = "TrainingInputMode"
"""Every definition has one: where it is refused, what is rarer is told first."""
_JOBS_ALONE = (
    "AlgorithmSpecification.Container",
    "AlgorithmSpecification.TrainingImageConfig",
    "AlgorithmSpecification.EnableSageMakerMetricsTimeSeries",
)


def _of_jobs(table: Mapping[str, str]) -> dict[str, str]:
    """Give the rows of training jobs that their definition in a tuning job has, too."""
    rows = {
        f"{_DEFINITION}.{path}": why
        for path, why in table.items()
        if path.split(".", 1)[0].partition("=")[0].removesuffix("[]") in _SHARED and not path.startswith(_JOBS_ALONE)
    }
    return dict(sorted(rows.items(), key=lambda row: _EVERYWHERE in row[0]))


UNUSED: Mapping[str, str] = _of_jobs(fields.TRAINING_UNUSED) | {
    f"{_INSTANCES}.{member}": fields.TRAINING_UNUSED[f"ResourceConfig.{member}"]
    for member in ("InstanceType", "VolumeKmsKeyId", "VolumeSizeInGB")
}
REFUSED: Mapping[str, str] = {
    "Autotune": "nothing here knows good ranges for somebody else's algorithm",
    "HyperParameterTuningJobConfig.ParameterRanges.AutoParameters": "nothing here knows good ranges",
    "HyperParameterTuningJobConfig.Strategy=Hyperband": "no training job is ended early here",
    "HyperParameterTuningJobConfig.StrategyConfig": "it belongs to Hyperband",
    "HyperParameterTuningJobConfig.TrainingJobEarlyStoppingType=Auto": "no training job is ended early here",
    "HyperParameterTuningJobConfig.TuningJobCompletionCriteria.ConvergenceDetected": "SageMaker does not tell how",
    "TrainingJobDefinition.HyperParameterRanges": "the ranges of one definition stand in the configuration",
    f"{_INSTANCES}.AllocationStrategy": _ONE_MACHINE,
    f"{_INSTANCES}.InstanceConfigs": _ONE_MACHINE,
    "TrainingJobDefinition.TuningObjective": "the objective of one definition stands in the configuration",
    "TrainingJobDefinitions": "one definition is tuned",
    "WarmStartConfig": "what SageMaker takes over from a parent is not known well enough to do the same",
    **_of_jobs(fields.TRAINING_REFUSED),
}
