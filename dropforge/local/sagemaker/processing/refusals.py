"""What requests of processing jobs are refused for."""

from __future__ import annotations

from dropforge.local.sagemaker.wire.refusal import ASSUMED, OURS, Refusal

_API = "https://docs.aws.amazon.com/sagemaker/latest/APIReference"
_INVALID = "ValidationException"

TAKEN = Refusal(
    "a processing job by that name was there before",
    "ResourceInUse",
    "Job name must be unique within an AWS account and region, and a job with this name already exists ({arn})",
    f"{_API}/API_CreateProcessingJob.html",
)
MISSING = Refusal(
    "there is no processing job by that name", _INVALID, "Could not find requested job with name: {name}", ASSUMED
)
OVER = Refusal(
    "a processing job that has ended is to be stopped",
    _INVALID,
    "The request was rejected because the processing job is in status {status}.",
    ASSUMED,
)
NO_INSTANCES = Refusal(
    "a processing job says nothing of its instances",
    _INVALID,
    "{member} needs InstanceType and InstanceCount.",
    OURS,
)
TOO_MANY_HOSTS = Refusal(
    "a processing job asks for more than 8 instances",
    "ResourceLimitExceeded",
    "The account-level service limit '{type} for processing job usage' is {most} Instances, with current utilization of"
    " 0 Instances and a request delta of {asked} Instances. Please use AWS Service Quotas to request an increase for"
    " this quota.",
    OURS,
)
NO_NETWORK = Refusal(
    "a processing job asks for several instances, and this machine cannot connect them",
    _INVALID,
    "A processing job can have one instance here: {why}",
    OURS,
)
NO_PROGRAM = Refusal(
    "a processing job names no ContainerEntrypoint and its image has no program `process`",
    _INVALID,
    "The folder that stands in for {image} has no program process: give AppSpecification.ContainerEntrypoint.",
    OURS,
)
NO_SOURCE = Refusal("an input or output of a processing job has no S3 side", _INVALID, "{what} needs {member}.", OURS)
NO_PATH = Refusal(
    "an input or output of a processing job has no LocalPath",
    _INVALID,
    "{what}: LocalPath is required when AppManaged is False.",
    f"{_API}/API_ProcessingS3Input.html",
)
ELSEWHERE = Refusal(
    "a LocalPath of a processing job lies elsewhere",
    _INVALID,
    "{what}: LocalPath {path} must begin with /opt/ml/processing/.",
    f"{_API}/API_ProcessingS3Input.html",
)
SAME_NAME = Refusal(
    "two inputs, or two outputs, of a processing job have one name",
    _INVALID,
    "{what} names must be unique within a processing job: {name}.",
    ASSUMED,
)
SAME_PATH = Refusal(
    "two inputs of a processing job are to lie in one folder",
    _INVALID,
    "The LocalPath of each input must be unique within a processing job: {path}.",
    ASSUMED,
)
