from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dropforge.local import apis
from dropforge.local.sagemaker.errors import SageMakerError
from dropforge.local.sagemaker.wire import constraints, protocol
from tests.local.sagemaker.world import IMAGE, ROLE, World

_JOB: dict[str, Any] = {
    "TrainingJobName": "fine",
    "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
    "RoleArn": ROLE,
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}


def _refusal(world: World, operation: str, request: dict[str, Any]) -> tuple[str, str]:
    """Send a request past boto3's own checks; gives the code and the message of the refusal."""
    connection = http.client.HTTPConnection(world.sagemaker.meta.endpoint_url.removeprefix("http://"))
    connection.request("POST", "/", json.dumps(request), {"X-Amz-Target": f"SageMaker.{operation}"})
    told = connection.getresponse()
    answer = json.loads(told.read())
    connection.close()
    assert told.status == 400
    return answer["__type"], answer["message"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"TrainingJobName": "not_a_name"},
            (
                "1 validation error detected: Value 'not_a_name' at 'trainingJobName' failed to satisfy constraint:"
                " Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
            ),
        ),
        (
            {"RoleArn": None},
            "Value null at 'roleArn' failed to satisfy constraint: Member must not be null",
        ),
        (
            {"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": -1}},
            (
                "1 validation error detected: Value -1 at 'resourceConfig.volumeSizeInGB' failed to satisfy constraint:"
                " Member must have value greater than or equal to 0"
            ),
        ),
        (
            {"HyperParameters": {"long": "x" * 2501}},
            "failed to satisfy constraint: Map value must satisfy constraint: [Member must have length less than or",
        ),
        (
            {"HyperParameters": {f"name{number}": "x" for number in range(101)}},
            "at 'hyperParameters' failed to satisfy constraint: Member must have length less than or equal to 100",
        ),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 0}}, "Member must have value greater than or equal to 1"),
        ({"TrainingJobName": "a b", "RoleArn": "x"}, "3 validation errors detected: "),
    ],
)
def test_a_request_that_breaks_a_constraint_is_refused_in_the_words_of_aws(
    world: World, change: dict[str, Any], message: str
) -> None:
    code, said = _refusal(world, "CreateTrainingJob", {**_JOB, **change})
    assert code == "ValidationException"
    assert message in said


def test_an_unknown_instance_type_is_refused_with_the_known_ones(world: World) -> None:
    change = {"ResourceConfig": {**_JOB["ResourceConfig"], "InstanceType": "ml.abacus"}}
    _, said = _refusal(world, "CreateTrainingJob", {**_JOB, **change})
    assert "Value 'ml.abacus' at 'resourceConfig.instanceType'" in said
    assert "Member must satisfy enum value set: [" in said
    assert "ml.m5.large" in said


def test_a_value_of_the_wrong_type_cannot_be_read(world: World) -> None:
    assert _refusal(world, "CreateTrainingJob", {**_JOB, "TrainingJobName": 7})[0] == "SerializationException"


def test_an_operation_that_is_not_here_is_refused_by_its_name_and_one_that_is_nowhere_too(world: World) -> None:
    code, said = _refusal(world, "ListNotebookInstances", {})
    assert (code, said) == ("UnsupportedOperation", "ListNotebookInstances is not in the local cloud.")
    assert _refusal(world, "MakeCoffee", {})[0] == "UnknownOperationException"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_operation_is_performed_by_post_alone(world: World, method: str) -> None:
    name = f"by-{method.lower()}"
    body = json.dumps({"ModelPackageGroupName": name})
    connection = http.client.HTTPConnection(world.sagemaker.meta.endpoint_url.removeprefix("http://"))
    connection.request(method, "/", body, {"X-Amz-Target": "SageMaker.CreateModelPackageGroup"})
    told = connection.getresponse()
    assert (told.status, json.loads(told.read())["__type"]) == (400, "UnknownOperationException")
    connection.close()
    assert world.sagemaker.list_model_package_groups(NameContains=name)["ModelPackageGroupSummaryList"] == []


@pytest.mark.parametrize(
    ("operation", "request_", "message"),
    [
        ("DescribeTrainingJob", {"TrainingJobName": "none"}, "Requested resource not found."),
        ("StopTrainingJob", {"TrainingJobName": "none"}, "Requested resource not found."),
        (
            "DescribeModel",
            {"ModelName": "none"},
            'Could not find model "arn:aws:sagemaker:us-east-1:000000000000:model/none".',
        ),
        ("DeleteModel", {"ModelName": "none"}, "Could not find model"),
        ("DescribeEndpointConfig", {"EndpointConfigName": "none"}, "Could not find endpoint configuration"),
        ("DeleteEndpointConfig", {"EndpointConfigName": "none"}, "Could not find endpoint configuration"),
        ("DescribeEndpoint", {"EndpointName": "none"}, "Could not find endpoint"),
        ("DeleteEndpoint", {"EndpointName": "none"}, "Could not find endpoint"),
        ("UpdateEndpoint", {"EndpointName": "none", "EndpointConfigName": "none"}, "Could not find endpoint"),
        (
            "CreateEndpoint",
            {"EndpointName": "new", "EndpointConfigName": "none"},
            "Could not find endpoint configuration",
        ),
        ("DescribeModelPackageGroup", {"ModelPackageGroupName": "none"}, "does not exist"),
        (
            "DescribeModelPackage",
            {"ModelPackageName": "arn:aws:sagemaker:us-east-1:000000000000:model-package/g/1"},
            "does not exist",
        ),
        ("ListModelPackages", {"ModelPackageGroupName": "none"}, "does not exist"),
    ],
)
def test_what_is_not_there_is_told_as_a_validation_error(
    world: World, operation: str, request_: dict[str, str], message: str
) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(world.sagemaker, xform_name(operation))(**request_)
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert message in refused.value.response["Error"]["Message"]


def test_a_job_name_is_used_once_for_ever(world: World) -> None:
    request = world.job_request("leaves_no_model.py")
    world.sagemaker.create_training_job(**request)
    world.ended(request["TrainingJobName"])
    with pytest.raises(world.sagemaker.exceptions.ResourceInUse, match="must be unique"):
        world.sagemaker.create_training_job(**request)


def test_a_job_that_has_ended_cannot_be_stopped(world: World) -> None:
    name = world.train("leaves_no_model.py")["TrainingJobName"]
    with pytest.raises(ClientError, match="the training job is in status Completed"):
        world.sagemaker.stop_training_job(TrainingJobName=name)


def test_names_of_models_configurations_and_endpoints_are_taken_while_they_exist(world: World) -> None:
    config = world.config("serves.py")
    model = world.sagemaker.describe_model(ModelName=config)
    variants = world.sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
    container = {"Image": IMAGE, "ModelDataUrl": model["PrimaryContainer"]["ModelDataUrl"]}
    with pytest.raises(ClientError, match='Cannot create already existing model "arn'):
        world.sagemaker.create_model(ModelName=config, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    with pytest.raises(ClientError, match='Cannot create already existing endpoint configuration "arn'):
        world.sagemaker.create_endpoint_config(EndpointConfigName=config, ProductionVariants=variants)
    world.sagemaker.delete_model(ModelName=config)
    world.sagemaker.create_model(ModelName=config, ExecutionRoleArn=ROLE, PrimaryContainer=container)


@pytest.mark.parametrize(
    "uri",
    [
        "s3://{}/none/model.tar.gz",
        "s3://No_Bucket!/model.tar.gz",
        "https://s3.amazonaws.com/any/model.tar.gz",
        "s3://x.tar.gz",
    ],
)
def test_a_model_whose_data_is_not_there_is_refused(world: World, uri: str) -> None:
    container = {"Image": IMAGE, "ModelDataUrl": uri.format(world.bucket)}
    with pytest.raises(ClientError, match="Could not find model data at "):
        world.sagemaker.create_model(ModelName="dataless", ExecutionRoleArn=ROLE, PrimaryContainer=container)


def test_an_image_that_nothing_stands_in_for_is_refused_by_name(world: World) -> None:
    change = {
        "AlgorithmSpecification": {"TrainingImage": "0.dkr.ecr.x.amazonaws.com/mine:1", "TrainingInputMode": "File"}
    }
    with pytest.raises(ClientError, match="stand-ins for: sagemaker-scikit-learn"):
        world.sagemaker.create_training_job(**{**_JOB, **change})


def test_a_payload_over_the_limit_is_refused_before_it_reaches_a_server(world: World) -> None:
    with pytest.raises(ClientError, match="less than or equal to 26214400"):
        world.invoke("any", b"x" * (25 * 1024 * 1024 + 1))


def test_paths_of_the_runtime_that_are_not_here_are_refused(world: World) -> None:
    connection = http.client.HTTPConnection(world.runtime.meta.endpoint_url.removeprefix("http://"))
    connection.request("POST", "/endpoints/any/invocations-bidirectional-stream")
    told = connection.getresponse()
    assert (told.status, told.headers["x-amzn-errortype"]) == (400, "UnsupportedOperation")
    assert "not in the local cloud" in told.read().decode()
    connection.close()


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_members = st.sampled_from(sorted(apis.service("sagemaker").operation_model("CreateTrainingJob").input_shape.members))


def _refused(check: Callable[[], object]) -> SageMakerError | None:
    try:
        check()
    except SageMakerError as error:
        return error
    return None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(_members, _json, max_size=6))
def test_any_json_is_either_fine_or_refused_as_aws_refuses(request_: dict[str, Any]) -> None:
    shape = apis.service("sagemaker").operation_model("CreateTrainingJob").input_shape
    refusal = _refused(lambda: constraints.check(shape, request_))
    if refusal is None:
        assert set(shape.required_members) <= set(request_)
    else:
        assert refusal.code in {"ValidationException", "SerializationException"}


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=64))
def test_any_bytes_are_either_a_request_or_refused(body: bytes) -> None:
    refusal = _refused(lambda: protocol.parse("SageMaker.ListTrainingJobs", body))
    assert refusal is None or refusal.status == 400


@pytest.mark.parametrize(
    "body",
    [
        b'{"NameContains": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"NameContains": "\\ud800"}',
        b'{"CreationTimeAfter": 1' + b"0" * 40 + b"}",
        b'{"CreationTimeAfter": NaN}',
        b'{"MaxResults": 2147483648}',
        b'{"CreationTimeBefore": -1e999}',
    ],
)
def test_what_no_client_of_aws_could_mean_is_refused_and_no_internal_error(body: bytes) -> None:
    refusal = _refused(lambda: protocol.parse("SageMaker.ListTrainingJobs", body))
    assert refusal
    assert refusal.code == "SerializationException"


def test_a_weight_is_a_number_that_has_an_end() -> None:
    for weight in ("NaN", "1e999", "1e39"):
        variant = f'{{"VariantName": "a", "InitialVariantWeight": {weight}}}'
        body = f'{{"EndpointConfigName": "a", "ProductionVariants": [{variant}]}}'.encode()
        refusal = _refused(lambda body=body: protocol.parse("SageMaker.CreateEndpointConfig", body))  # type: ignore[misc] # of its own
        assert refusal
        assert refusal.code == "SerializationException"


def test_a_member_that_is_null_is_one_that_is_not_there_and_one_that_is_unknown_is_left_out() -> None:
    body = b'{"ModelName": "a", "Containers": null, "VpcConfig": null, "_plan": 1, "PrimaryContainer": {"Image": null}}'
    assert protocol.parse("SageMaker.CreateModel", body)[1] == {"ModelName": "a", "PrimaryContainer": {}}


def test_a_request_that_breaks_off_is_not_carried_out(world: World) -> None:
    body = json.dumps({"ModelPackageGroupName": "half"}).encode()
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "headers": [(b"x-amz-target", b"SageMaker.CreateModelPackageGroup")],
    }

    async def asked(*messages: dict[str, Any]) -> list[dict[str, Any]]:
        left, sent = list(messages), []

        async def receive() -> dict[str, Any]:
            return left.pop(0)

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await world.cloud.asgi(scope, receive, send)
        return sent

    beginning = {"type": "http.request", "body": body, "more_body": True}
    assert asyncio.run(asked(beginning, {"type": "http.disconnect"})) == []
    assert asyncio.run(asked({"type": "http.disconnect"})) == []
    assert world.sagemaker.list_model_package_groups(NameContains="half")["ModelPackageGroupSummaryList"] == []
    whole = asyncio.run(asked(beginning, {"type": "http.request"}))
    assert whole[0]["status"] == 200
