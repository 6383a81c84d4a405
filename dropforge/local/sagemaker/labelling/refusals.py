"""What requests of labelling jobs are refused for."""

from __future__ import annotations

from dropforge.local.sagemaker.wire.refusal import ASSUMED, Refusal

_API = "https://docs.aws.amazon.com/sagemaker/latest/APIReference"
_INVALID = "ValidationException"

TAKEN = Refusal(
    "a labelling job by that name was there before",
    "ResourceInUse",
    "Labeling job name must be unique within an AWS account and region, and a labeling job with this name already"
    " exists ({arn})",
    f"{_API}/API_CreateLabelingJob.html",
)
MISSING = Refusal(
    "there is no labelling job by that name",
    "ResourceNotFound",
    "The labeling job {name} could not be found.",
    f"{_API}/API_DescribeLabelingJob.html",
)
OVER = Refusal(
    "a labelling job that has ended is to be stopped",
    _INVALID,
    "The request was rejected because the labeling job is in status {status}.",
    ASSUMED,
)
NO_MANIFEST = Refusal(
    "a labelling job names no manifest", _INVALID, "{name}: InputConfig.DataSource needs an S3DataSource.", ASSUMED
)
BAD_ATTRIBUTE = Refusal(
    "the label attribute of a labelling job ends like its metadata",
    _INVALID,
    "LabelAttributeName {attribute} cannot end with -metadata.",
    f"{_API}/API_CreateLabelingJob.html",
)
