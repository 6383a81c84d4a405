"""Whether a request is one that botocore would send and AWS would read, by the services' own models."""

from __future__ import annotations

from functools import cache
from typing import Any

from botocore import xform_name
from botocore.exceptions import ParamValidationError
from botocore.session import get_session
from botocore.validate import ParamValidator

from dropforge.local.sagemaker.errors import SageMakerError
from dropforge.local.sagemaker.wire import constraints
from tests.proof.cloud.errors import refusal
from tests.proof.cloud.sound import Sound, sound

_VALIDATOR = ParamValidator()


def check(service: str, method: str, asked: dict[str, Any]) -> None:
    """Raise what botocore raises for wrong members and types, and what SageMaker answers to values out of bounds."""
    shape, is_sound = shapes(service)[method]
    if not is_sound(asked) and (report := _VALIDATOR.validate(asked, shape)).has_errors():
        raise ParamValidationError(report=report.generate_report())
    if service == "sagemaker":
        try:
            constraints.check(shape, asked)
        except SageMakerError as error:
            raise refusal(error.code, str(error), method) from error


@cache
def shapes(service: str) -> dict[str, tuple[Any, Sound]]:
    model = get_session().get_service_model(service)
    shapes = {xform_name(name): model.operation_model(name).input_shape for name in model.operation_names}
    return {method: (shape, sound(shape)) for method, shape in shapes.items()}
