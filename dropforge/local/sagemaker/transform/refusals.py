"""What requests of transform jobs are refused for."""

from __future__ import annotations

from dropforge.local.sagemaker.wire.refusal import ASSUMED, OURS, Refusal

_API = "https://docs.aws.amazon.com/sagemaker/latest/APIReference"
_FILTERS = "https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform-data-processing.html"
_INVALID = "ValidationException"

TAKEN = Refusal(
    "a transform job by that name was there before",
    "ResourceInUse",
    "Job name must be unique within an AWS account and region, and a job with this name already exists ({arn})",
    f"{_API}/API_CreateTransformJob.html",
)
MISSING = Refusal(
    "there is no transform job by that name", _INVALID, "Could not find requested job with name: {name}", ASSUMED
)
OVER = Refusal(
    "a transform job that has ended is to be stopped",
    _INVALID,
    "The request was rejected because the transform job is in status {status}.",
    ASSUMED,
)
NO_MODEL = Refusal(
    "a transform job names a model that is not there", _INVALID, 'Could not find model "{arn}".', ASSUMED
)
TOO_LARGE = Refusal(
    "MaxPayloadInMB, alone or times MaxConcurrentTransforms, is more than 100",
    _INVALID,
    "MaxPayloadInMB, and MaxConcurrentTransforms * MaxPayloadInMB, cannot exceed 100 MB.",
    f"{_API}/API_CreateTransformJob.html",
)
CHUNKED = Refusal(
    "MaxPayloadInMB is 0: chunked requests",
    _INVALID,
    "MaxPayloadInMB {given} is not in the local cloud: requests are not sent in chunks.",
    OURS,
)
BAD_PATH = Refusal(
    "a filter is no JSONPath of the kind that SageMaker reads",
    _INVALID,
    "{member} is not a valid JSONPath expression: {path}",
    _FILTERS,
)
NO_FORMAT = Refusal(
    "a transform job filters or joins what is neither CSV nor JSON",
    _INVALID,
    "DataProcessing needs a {member} of text/csv, application/json or application/jsonlines, not {given}.",
    _FILTERS,
)
NOT_ALIKE = Refusal(
    "a transform job joins input and output of two formats",
    _INVALID,
    "JoinSource needs the same format for ContentType and Accept.",
    ASSUMED,
)
