"""What the registry refuses, in AWS's words."""

from __future__ import annotations

from dropforge.local.sagemaker.wire.refusal import ASSUMED, OURS, Refusal

_API = "https://docs.aws.amazon.com/sagemaker/latest/APIReference"

GROUP_TAKEN = Refusal(
    when="a model package group has that name",
    code="ValidationException",
    message="Model Package Group already exists: {arn}",
    source=ASSUMED,
)
GROUP_MISSING = Refusal(
    when="there is no model package group of that name",
    code="ValidationException",
    message="ModelPackageGroup {arn} does not exist.",
    source=ASSUMED,
)
GROUP_IN_USE = Refusal(
    when="a model package group that has versions is to be deleted",
    code="ConflictException",
    message="Model Package Group: {arn} cannot be deleted because it still contains Model Packages.",
    source=f"{_API}/API_DeleteModelPackageGroup.html",
)
PACKAGE_MISSING = Refusal(
    when="there is no model package of that name",
    code="ValidationException",
    message="ModelPackage {name} does not exist.",
    source=ASSUMED,
)
NO_SPECIFICATION = Refusal(
    when="a model is to be made of a package that has no InferenceSpecification",
    code="ValidationException",
    message="ModelPackage {name} has no InferenceSpecification.",
    source=ASSUMED,
)
TOKEN_TAKEN = Refusal(
    when="a ClientToken was used before, with another request",
    code="ConflictException",
    message="The ClientToken was used before, with another request.",
    source=ASSUMED,
)
NO_GROUP = Refusal(
    when="a model package names no group",
    code="ValidationException",
    message="The local cloud knows versioned model packages only: ModelPackageGroupName is needed.",
    source=OURS,
)
