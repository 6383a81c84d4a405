"""What the tables say of each operation is what the code does."""

from __future__ import annotations

import ast
import contextlib
import http.client
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import dropforge.local.sagemaker as package
from dropforge.local import apis
from dropforge.local.sagemaker import SageMaker
from dropforge.local.sagemaker.errors import SageMakerError
from dropforge.local.sagemaker.hosting.states import ENDPOINT
from dropforge.local.sagemaker.service import GRAPHS
from dropforge.local.sagemaker.states import ImpossibleError
from dropforge.local.sagemaker.wire import fidelity
from dropforge.local.sagemaker.wire.operation import Meaning, Operation, refusal
from dropforge.local.sagemaker.wire.refusal import Refusal
from tests.local.sagemaker.samples import least, with_member
from tests.local.sagemaker.world import World

_DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "local-sagemaker.md"
_RUNTIME = {
    "InvokeEndpoint": "invocations",
    "InvokeEndpointWithResponseStream": "invocations-response-stream",
    "InvokeEndpointAsync": "async-invocations",
}
_KINDS = {"ValidationError", "ResourceInUseError", "ConflictError", "InvokeValidationError"}
Operations = Mapping[str, Operation | Meaning]
_SOURCES = Path(package.__file__).parent


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> fidelity.Services:
    home = tmp_path_factory.mktemp("tables")
    made = SageMaker(home, client=_nobody, emit=_nobody, speed=1, account="0" * 12, region="us-east-1")
    return fidelity.services(made)


@pytest.fixture(scope="module")
def operations(services: fidelity.Services) -> Operations:
    return services["sagemaker"]


def _all(services: fidelity.Services) -> Iterator[tuple[str, str, Operation | Meaning]]:
    for service, operations in services.items():
        for name, operation in operations.items():
            yield service, name, operation


def _nobody(*_: object) -> None:
    return None


def _shape(name: str, service: str = "sagemaker") -> Any:
    return apis.service(service).operation_model(name).input_shape


def _refused(operations: Operations) -> Iterator[tuple[str, str, str]]:
    for name, operation in operations.items():
        for path, why in operation.refused.items():
            yield name, path, refusal(path, why)


def test_every_member_that_is_refused_is_refused_in_the_words_of_the_table(
    world: World, operations: Operations
) -> None:
    connection = http.client.HTTPConnection(world.sagemaker.meta.endpoint_url.removeprefix("http://"))
    wrong = []
    for name, path, told in _refused(operations):
        asked, _, value = path.partition("=")
        request = with_member(_shape(name), asked, value)
        connection.request("POST", "/", json.dumps(request), {"X-Amz-Target": f"SageMaker.{name}"})
        answer = json.loads(connection.getresponse().read())
        if (answer.get("__type"), answer.get("message")) != ("ValidationException", told):
            wrong.append(f"{name} {path}: {answer}")
    connection.close()
    assert not wrong, "\n".join(wrong)


def test_every_member_that_the_runtime_refuses_is_refused_in_the_words_of_the_table(
    world: World, services: fidelity.Services
) -> None:
    connection = http.client.HTTPConnection(world.runtime.meta.endpoint_url.removeprefix("http://"))
    refused = list(_refused(services[fidelity.RUNTIME]))
    assert {name for name, _, _ in refused} == {"InvokeEndpoint", "InvokeEndpointWithResponseStream"}
    for name, path, told in refused:
        shape = _shape(name, fidelity.RUNTIME)
        header = shape.members[path].serialization["name"]
        given = with_member(shape, path)[path]
        connection.request("POST", f"/endpoints/any/{_RUNTIME[name]}", b"", {header: str(given)})
        answer = connection.getresponse()
        said = json.loads(answer.read())["message"]
        assert (answer.headers["x-amzn-errortype"], said) == ("ValidationError", told)
    connection.close()


def test_what_scaling_refuses_it_refuses_in_the_words_of_the_table_and_no_member_is_an_internal_error(
    world: World,
) -> None:
    operations = world.cloud.scaling.operations
    for name, path, told in _refused(operations):
        asked, _, value = path.partition("=")
        with pytest.raises(SageMakerError) as refused:
            operations[name](with_member(_shape(name, fidelity.SCALING), asked, value))
        assert (refused.value.code, refused.value.message) == ("ValidationException", told)
    for name, operation in operations.items():
        shape = _shape(name, fidelity.SCALING)
        for request in [least(shape), *(with_member(shape, member) for member in shape.members)]:
            with contextlib.suppress(SageMakerError):
                operation(request)


def test_no_member_that_a_request_may_have_meets_an_internal_error(world: World, operations: Operations) -> None:
    connection = http.client.HTTPConnection(world.sagemaker.meta.endpoint_url.removeprefix("http://"))
    wrong = []
    for name in operations:
        shape = _shape(name)
        for request in [least(shape), *(with_member(shape, member) for member in shape.members)]:
            connection.request("POST", "/", json.dumps(request), {"X-Amz-Target": f"SageMaker.{name}"})
            answer = connection.getresponse()
            body = answer.read()
            if answer.status not in {200, 400}:
                wrong.append(f"{name} {request}: {body!r}")
    connection.close()
    assert not wrong, "\n".join(wrong)


def test_every_path_of_the_tables_is_a_member(services: fidelity.Services) -> None:
    for service, name, operation in _all(services):
        there = {path for path, _ in fidelity.members(_shape(name, service))}
        for path in [*operation.unused, *operation.refused]:
            assert path.partition("=")[0] in there, f"{name} has no {path}"


def test_every_member_that_counts_as_honoured_is_known_to_the_code(services: fidelity.Services) -> None:
    known = _literals()
    unknown = [
        f"{name} {path}"
        for service, name, operation in _all(services)
        for path, member in fidelity.members(_shape(name, service))
        if not _contains_members(member)
        and fidelity.standing(operation, path)[0] == fidelity.HONOURED
        and path.rpartition(".")[2] not in known
        and not any(each.startswith(f"{path}=") for each in operation.refused)
    ]
    assert not unknown, "in no table and unknown to the code:\n" + "\n".join(unknown)


def test_the_document_has_the_tables_of_the_code(services: fidelity.Services) -> None:
    command = "python -m dropforge.local.sagemaker.wire.fidelity"
    written = _DOCUMENT.read_text().partition(f"<!-- {command} -->\n")[2].partition("<!-- end -->")[0]
    assert written.strip() == fidelity.document(services, GRAPHS.values()).strip(), f"write it again with {command}"


def _contains_members(shape: Any) -> bool:
    return bool(getattr(shape.member if shape.type_name == "list" else shape, "members", None))


def test_the_document_tells_every_operation_of_the_runtime_and_of_scaling() -> None:
    text = _DOCUMENT.read_text()
    for service in (fidelity.RUNTIME, fidelity.SCALING):
        for name in apis.service(service).operation_names:
            assert f"### {name}\n" in text or f"`{name}`" in text, name


def test_nothing_is_refused_but_by_a_row_of_the_tables() -> None:
    """Members that are refused have tables of their own: operation.py and runtime.py word them."""
    bare = {
        f"{path.relative_to(_SOURCES)}:{node.lineno}"
        for path in _SOURCES.rglob("*.py")
        if path.name not in {"errors.py", "operation.py", "runtime.py"}
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _KINDS
    }
    assert bare == set()


def test_every_refusal_of_the_tables_is_raised_somewhere() -> None:
    code = "".join(path.read_text() for path in _SOURCES.rglob("*.py"))
    rows = {
        name for room in fidelity.rooms_of_refusals() for name, row in vars(room).items() if isinstance(row, Refusal)
    }
    assert len(rows) > 10
    assert [name for name in sorted(rows) if f"refusals.{name}" not in code] == []


def _literals() -> set[str]:
    """Every text in the code of the service, but for the tables themselves."""
    return {
        node.value
        for path in _SOURCES.rglob("*.py")
        if path.name != "fields.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_what_the_table_says_is_never_told_here_is_refused_by_the_store_and_the_rest_is_not() -> None:
    rows = [line for line in _DOCUMENT.read_text().splitlines() if line.startswith("| `EndpointStatus` | `")]
    never = set()
    for row in rows:
        _, _, before, after, *_ = (cell.strip() for cell in row.split("|"))
        for one in after.split(", "):
            move = (before.strip("`"), one.partition("` ")[0].strip("`"))
            if one.endswith("(never told here)"):
                never.add(move)
                with pytest.raises(ImpossibleError):
                    ENDPOINT.check(*move)
            else:
                ENDPOINT.check(*move)
    assert {("InService", "OutOfService"), ("InService", "SystemUpdating"), ("Updating", "Failed")} < never
