"""Requests made out of the service's model: the least that is valid, and that with one member more."""

from __future__ import annotations

from typing import Any

from dropforge.local.sagemaker.errors import SageMakerError
from dropforge.local.sagemaker.wire import constraints

_TEXTS = (
    "a",
    "1",
    "true",
    "s3://bucket/key",
    "arn:aws:iam::000000000000:role/jobs",
    "arn:aws:sagemaker:us-east-1:000000000000:model-package/some/1",
    "arn:aws:sagemaker:us-east-1:000000000000:algorithm/some",
    "arn:aws:sagemaker:us-east-1:000000000000:training-plan/some",
    "arn:aws:sagemaker:us-east-1:000000000000:inference-experiment/some",
    "arn:aws:sagemaker:us-east-1:aws:hub-content/some/Model/some/1",
    "arn:aws:sagemaker:us-east-1:000000000000:mlflow-app/app-ABCDEF",
    "arn:aws:sagemaker:us-east-1:000000000000:workteam/some",
    "arn:aws:sagemaker:us-east-1:000000000000:human-task-ui/some",
    "arn:aws:sagemaker:us-east-1:000000000000:model/some",
    "arn:aws:sns:us-east-1:000000000000:some",
    "arn:aws:lambda:us-east-1:000000000000:function:some",
    "arn:aws:kms:us-east-1:000000000000:key/some",
    "https://some.example/path",
    "/opt/ml/some",
    "arn:aws:sagemaker:us-east-1:aws:hub-content/hub/DataSet/some/1.0.0",
    "arn:aws:sagemaker:us-east-1:000000000000:hub-content/some/DataSet/some/1.0.0",
    "arn:aws:sagemaker:us-east-1:000000000000:mlflow-tracking-server/some",
    "arn:aws:sagemaker:us-east-1:000000000000:model-package-group/some",
    "arn:aws:sagemaker:us-east-1:aws:hub-content/hub/Model/some/1.0.0",
    "fs-0123456789",
    "abc-123456",
    "subnet-0123456789",
    "0123456789abcdef",
    "0123456789abcdef0123456789abcdef",
    "00000000-0000-0000-0000-000000000000",
)


def least(shape: Any) -> Any:
    """Give the least value that a shape takes: what must be there, and nothing else."""
    match shape.type_name:
        case "structure":
            names = list(shape.required_members)
            return {name: least(shape.members[name]) for name in names}
        case "list":
            return [least(shape.member)] * max(1, shape.metadata.get("min", 0))
        case "map":
            return {least(shape.key): least(shape.value)}
        case "string":
            return _text(shape)
    return True if shape.type_name == "boolean" else max(1, shape.metadata.get("min", 1))


def with_member(shape: Any, path: str, value: str = "") -> Any:
    """Give the least value of a structure that has a member at a path, with a value if one is meant."""
    made = least(shape)
    name, _, rest = path.partition(".")
    each, name = name.endswith("[]"), name.removesuffix("[]")
    member = shape.members[name]
    inner = member.member if each else member
    if rest:
        below = with_member(inner, rest, value)
    elif value:
        below = {"True": True, "False": False}.get(value, value)
    else:
        below = _something(inner)
    made[name] = [below] if each else below
    return made


def _something(shape: Any) -> Any:
    """Give the least value that asks for anything: an empty structure does not."""
    made = least(shape)
    if made == {} and shape.type_name == "structure":
        name, member = next(iter(shape.members.items()))
        return {name: _something(member)}
    return made


def _text(shape: Any) -> str:
    if enum := shape.metadata.get("enum"):
        return str(enum[0])
    shortest = shape.metadata.get("min", 0)
    for text in _TEXTS:
        tried = text.ljust(shortest, text[-1])
        try:
            constraints.check_value(shape, tried)
        except SageMakerError:
            continue
        return tried
    raise AssertionError(f"no sample text matches {shape.name}: {shape.metadata}")
