"""Members of the requests of tuning jobs that have no effect here, and those that are refused, each with the reason."""

from __future__ import annotations

from collections.abc import Mapping

from dropforge.local.sagemaker.jobs import fields

_DEFINITION = "TrainingJobDefinition"
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


UNUSED: Mapping[str, str] = _of_jobs(fields.TRAINING_UNUSED)
REFUSED: Mapping[str, str] = {
    "Autotune": "nothing here knows good ranges for somebody else's algorithm",
    "HyperParameterTuningJobConfig.ParameterRanges.AutoParameters": "nothing here knows good ranges",
    "HyperParameterTuningJobConfig.Strategy=Hyperband": "figures are read when a job has ended",
    "HyperParameterTuningJobConfig.StrategyConfig": "it belongs to Hyperband",
    "HyperParameterTuningJobConfig.TrainingJobEarlyStoppingType=Auto": "figures are read when a job has ended",
    "HyperParameterTuningJobConfig.TuningJobCompletionCriteria.ConvergenceDetected": "SageMaker does not tell how",
    "TrainingJobDefinition.HyperParameterRanges": "the ranges of one definition stand in the configuration",
    "TrainingJobDefinition.HyperParameterTuningResourceConfig": "name the instances in ResourceConfig",
    "TrainingJobDefinition.TuningObjective": "the objective of one definition stands in the configuration",
    "TrainingJobDefinitions": "one definition is tuned",
    "WarmStartConfig": "what SageMaker takes over from a parent is not known well enough to do the same",
    **_of_jobs(fields.TRAINING_REFUSED),
}
