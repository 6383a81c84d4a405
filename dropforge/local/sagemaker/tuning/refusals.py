"""What requests of tuning jobs are refused for."""

from __future__ import annotations

from dropforge.local.sagemaker.wire.refusal import ASSUMED, OURS, Refusal

_API = "https://docs.aws.amazon.com/sagemaker/latest/APIReference"
_RANGES = "https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-define-ranges.html"
_INVALID = "ValidationException"

TAKEN = Refusal(
    "a tuning job by that name was there before",
    "ResourceInUse",
    "A hyperparameter tuning job with the name, {name}, already exists. Choose a different name.",
    f"{_API}/API_CreateHyperParameterTuningJob.html",
)
MISSING = Refusal(
    "there is no tuning job by that name",
    "ResourceNotFound",
    "Amazon SageMaker can't find a tuning job called {name}. Type another name.",
    f"{_API}/API_DescribeHyperParameterTuningJob.html",
)
OVER = Refusal(
    "a tuning job that has ended is to be stopped",
    _INVALID,
    "The request was rejected because the hyperparameter tuning job is in status {status}.",
    ASSUMED,
)
NO_DEFINITION = Refusal(
    "a tuning job has no TrainingJobDefinition",
    _INVALID,
    "{name} needs a TrainingJobDefinition.",
    OURS,
)
NO_IMAGE = Refusal(
    "the definition of a tuning job names no image", _INVALID, "{name}: TrainingJobDefinition needs a {member}.", OURS
)
NO_OBJECTIVE = Refusal(
    "a tuning job has no objective",
    _INVALID,
    "{name}: a HyperParameterTuningJobObjective is required for the strategy {strategy}.",
    ASSUMED,
)
NO_METRIC = Refusal(
    "no metric definition has the name of a tuning job's objective",
    _INVALID,
    "A metric is required for this hyperparameter tuning job objective. Provide a metric in the metric definitions.",
    ASSUMED,
)
NO_RANGES = Refusal(
    "a tuning job has no parameter ranges", _INVALID, "{name}: at least one parameter range is required.", ASSUMED
)
BAD_RANGE = Refusal(
    "a parameter range is none", _INVALID, "The range of hyperparameter {name} is invalid: {why}.", _RANGES
)
SAME_PARAMETER = Refusal(
    "a hyperparameter has two ranges, or a range and a static value",
    _INVALID,
    "The hyperparameter {name} can have one range or one static value.",
    ASSUMED,
)
NO_LIMIT = Refusal(
    "a tuning job says nothing of how many training jobs it may start",
    _INVALID,
    "{name}: ResourceLimits.MaxNumberOfTrainingJobs is required for the strategy {strategy}.",
    ASSUMED,
)
GRID_RANGES = Refusal(
    "a grid is to be made of ranges that are not categorical",
    _INVALID,
    "The strategy Grid takes categorical parameter ranges only; {name} is none.",
    f"{_API}/API_HyperParameterTuningJobConfig.html",
)
GRID_LIMIT = Refusal(
    "a grid has another number of points than the training jobs that are asked for",
    _INVALID,
    "The strategy Grid starts one training job for each combination: MaxNumberOfTrainingJobs must be {points}, not"
    " {given}.",
    f"{_API}/API_HyperParameterTuningJobConfig.html",
)
