"""What is refused before any room is asked, and what all rooms refuse alike."""

from __future__ import annotations

from dropforge.local.sagemaker.wire.refusal import ASSUMED, OURS, Refusal

_ERRORS = "https://docs.aws.amazon.com/sagemaker/latest/APIReference/CommonErrors.html"

BROKEN_CONSTRAINT = Refusal(
    when="a member is missing, or breaks its type, pattern, length, range or enumeration",
    code="ValidationException",
    message="{number} validation {errors} detected: {told}",
    source=_ERRORS,
)
WRONG_TYPE = Refusal(
    when="a value has another type than its member",
    code="SerializationException",
    message="{type} value cannot be converted to {kind} at '{path}'.",
    source=ASSUMED,
)
NOT_IN_S3 = Refusal(
    when="a place in S3 is named by an address that is none of S3's",
    code="ValidationException",
    message="{uri} at '{path}' is no place in S3: it must be s3://bucket/key, or an https address of S3.",
    source=ASSUMED,
)
NOT_JSON = Refusal(
    when="the body is not JSON",
    code="SerializationException",
    message="The request body is not JSON.",
    source=ASSUMED,
)
NOT_AN_OBJECT = Refusal(
    when="the body is JSON, and no object",
    code="SerializationException",
    message="Start of structure or map found where not expected.",
    source=ASSUMED,
)
UNKNOWN_OPERATION = Refusal(
    when="SageMaker has no such operation, or it is asked for by another method than POST",
    code="UnknownOperationException",
    message="",
    source=_ERRORS,
)
NOT_HERE = Refusal(
    when="the operation is not in the local cloud",
    code="UnsupportedOperation",
    message="{operation} is not in the local cloud.",
    source=OURS,
)
FOREIGN_ROLE = Refusal(
    when="a role of another account is to be passed",
    code="ValidationException",
    message="RoleArn: Cross-account pass role is not allowed.",
    source="https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-python-sdk-troubleshooting.html",
)
NO_STAND_IN = Refusal(
    when="nothing here stands in for an image",
    code="ValidationException",
    message=(
        "Requested image {uri} not found. The local cloud has stand-ins for: {names}; "
        "`dropforge sagemaker --image {repository}=FOLDER` (or `=engine`) brings another."
    ),
    source=OURS,
)
KEY_OF_DISKS = Refusal(
    when="VolumeKmsKeyId is given for instances with disks of their own",
    code="ValidationException",
    message="VolumeKmsKeyId cannot be used with {type}: its local storage is encrypted by the instance.",
    source="https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ResourceConfig.html",
)
BAD_TOKEN = Refusal(
    when="a NextToken is none that was given",
    code="ValidationException",
    message="Invalid NextToken.",
    source=ASSUMED,
)
BAD_LENGTH = Refusal(
    when="the pages of a list are to have less than one",
    code="ValidationException",
    message="MaxResults must be at least 1.",
    source=ASSUMED,
)
RESOURCE_MISSING = Refusal(
    when="tags are asked of something that is not there, or is of another account or region",
    code="ValidationException",
    message="Could not find resource {arn}.",
    source=ASSUMED,
)
RESERVED_TAG = Refusal(
    when="a tag is to be given or taken away whose key begins with aws:",
    code="ValidationException",
    message="Tag keys that begin with aws: are reserved for AWS: {key}",
    source="https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html",
)
SAME_TAG = Refusal(
    when="two tags of a request have one key",
    code="ValidationException",
    message="Duplicate tag key",
    source="https://github.com/aws/sagemaker-python-sdk/pull/3608",
)
TOO_MANY_TAGS = Refusal(
    when="something would have more than 50 tags",
    code="ValidationException",
    message="A resource has at most {most} tags.",
    source="https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_AddTags.html",
)
