"""What a Create refuses at once for what it names: roles, instance types, places."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from dropforge.local import apis
from dropforge.local.sagemaker.wire import fidelity
from tests.local.sagemaker.samples import with_member
from tests.local.sagemaker.world import World

_FOREIGN = "arn:aws:iam::999999999999:role/theirs"
_ROLES = {"RoleArn", "ExecutionRoleArn"}


def _refusal(world: World, operation: str, request: dict[str, Any]) -> tuple[str, str]:
    """Send a request past boto3's own checks; gives the code and the message of the refusal."""
    connection = http.client.HTTPConnection(world.sagemaker.meta.endpoint_url.removeprefix("http://"))
    connection.request("POST", "/", json.dumps(request), {"X-Amz-Target": f"SageMaker.{operation}"})
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer.get("__type", ""), answer.get("message", "")


def _shape(operation: str) -> Any:
    return apis.service("sagemaker").operation_model(operation).input_shape


def _takes_a_role(world: World) -> Iterator[tuple[str, str]]:
    for name, operation in world.cloud.operations.items():
        for path, _ in fidelity.members(_shape(name)):
            if path.rpartition(".")[2] in _ROLES and fidelity.standing(operation, path)[0] != fidelity.REFUSED:
                yield name, path


def test_a_role_of_another_account_is_refused_by_every_operation_that_takes_one(world: World) -> None:
    wanted = ("ValidationException", "RoleArn: Cross-account pass role is not allowed.")
    asked = list(_takes_a_role(world))
    assert {name for name, _ in asked} >= {
        "CreateTrainingJob", "CreateProcessingJob", "CreateHyperParameterTuningJob", "CreateLabelingJob",
        "CreateModel", "CreateEndpointConfig",
    }  # fmt: skip
    told = {(name, path): _refusal(world, name, with_member(_shape(name), path, _FOREIGN)) for name, path in asked}
    assert {key: said for key, said in told.items() if said != wanted} == {}


@pytest.mark.parametrize("role", ["arn:aws:iam::000000000000:user/ada", "jobs", "arn:aws:s3:::bucket"])
def test_what_is_no_role_is_refused_as_one(world: World, role: str) -> None:
    code, said = _refusal(world, "CreateModel", with_member(_shape("CreateModel"), "ExecutionRoleArn", role))
    assert code == "ValidationException"
    assert "'executionRoleArn' failed to satisfy constraint: Member must satisfy regular expression pattern" in said
