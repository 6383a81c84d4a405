"""What a Create refuses at once for what it names: roles, instance types, places."""

from __future__ import annotations

import http.client
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dropforge.local import apis
from dropforge.local.sagemaker.wire import fidelity
from tests.local.sagemaker.samples import with_member
from tests.local.sagemaker.told import ON_INSTANCE
from tests.local.sagemaker.world import IMAGE, ROLE, World

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


def _takes_a_place(world: World) -> Iterator[tuple[str, str]]:
    for name, operation in world.cloud.operations.items():
        for path, member in fidelity.members(_shape(name)):
            pattern = getattr(member, "metadata", {}).get("pattern", "")
            if "(https|s3)://" in pattern and fidelity.standing(operation, path)[0] != fidelity.REFUSED:
                yield name, path


def test_an_address_that_is_none_of_s3_is_refused_wherever_a_place_is_named(world: World) -> None:
    asked = list(_takes_a_place(world))
    assert {name for name, _ in asked} >= {
        "CreateTrainingJob", "CreateProcessingJob", "CreateTransformJob", "CreateHyperParameterTuningJob",
        "CreateLabelingJob", "CreateModel", "CreateEndpointConfig",
    }  # fmt: skip
    somewhere = (
        "https://s/ome.example.com"  # as the pattern of an endpoint's places has it, with a bucket of one letter
    )
    told = {(name, path): _refusal(world, name, with_member(_shape(name), path, somewhere)) for name, path in asked}
    wrong = {key: said for key, said in told.items() if "is no place in S3" not in said[1]}
    assert wrong == {}
    assert {code for code, _ in told.values()} == {"ValidationException"}


@pytest.mark.parametrize("role", ["arn:aws:iam::000000000000:user/ada", "jobs", "arn:aws:s3:::bucket"])
def test_what_is_no_role_is_refused_as_one(world: World, role: str) -> None:
    code, said = _refusal(world, "CreateModel", with_member(_shape("CreateModel"), "ExecutionRoleArn", role))
    assert code == "ValidationException"
    assert "'executionRoleArn' failed to satisfy constraint: Member must satisfy regular expression pattern" in said


_MODES = {
    "training": ("CreateTrainingJob", "ResourceConfig.InstanceType"),
    "a group of instances": ("CreateTrainingJob", "ResourceConfig.InstanceGroups[].InstanceType"),
    "tuning": ("CreateHyperParameterTuningJob", "TrainingJobDefinition.ResourceConfig.InstanceType"),
    "processing": ("CreateProcessingJob", "ProcessingResources.ClusterConfig.InstanceType"),
    "transform": ("CreateTransformJob", "TransformResources.InstanceType"),
    "hosting": ("CreateEndpointConfig", "ProductionVariants[].InstanceType"),
    "a shadow": ("CreateEndpointConfig", "ShadowProductionVariants[].InstanceType"),
}


@pytest.mark.parametrize(
    ("mode", "types"),
    [
        ("training", "ml.inf1.xlarge ml.inf2.xlarge ml.t2.medium ml.m6g.large ml.dl1.24xlarge local local_gpu"),
        ("a group of instances", "ml.inf1.xlarge ml.t2.medium local"),
        ("tuning", "ml.inf1.xlarge ml.inf2.xlarge ml.t2.medium local"),
        ("processing", "ml.trn1.2xlarge ml.p4d.24xlarge ml.inf1.xlarge ml.t2.medium local"),
        ("transform", "ml.inf1.xlarge ml.t3.medium ml.t2.medium ml.p5.48xlarge ml.trn2.48xlarge local"),
        ("hosting", "ml.t3.medium ml.p3dn.24xlarge ml.m5.8xlarge local local_gpu"),
        ("a shadow", "ml.t3.medium local"),
    ],
)
def test_an_instance_type_that_a_mode_does_not_take_is_refused_as_aws_refuses_it(
    world: World, mode: str, types: str
) -> None:
    operation, path = _MODES[mode]
    for each in types.split():
        code, said = _refusal(world, operation, with_member(_shape(operation), path, each))
        assert code == "ValidationException", each
        assert f"Value '{each}' at" in said
        assert "instanceType' failed to satisfy constraint: Member must satisfy enum value set: [" in said


def test_a_key_for_volumes_that_an_instance_has_not_is_refused_in_every_mode_with_volumes(world: World) -> None:
    told = {}
    for mode in ("training", "tuning", "processing", "transform"):
        operation, path = _MODES[mode]
        request = with_member(_shape(operation), path, "ml.g5.xlarge")
        inner = request
        for name in path.split(".")[:-1]:
            inner = inner[name]
        inner |= {"VolumeKmsKeyId": "some", "InstanceCount": 1}
        if mode == "transform":
            container = {"PrimaryContainer": {"Image": IMAGE}, "ExecutionRoleArn": ROLE}
            world.sagemaker.create_model(ModelName="keyed", **container)
            request["ModelName"] = "keyed"
        if mode == "training":
            request["AlgorithmSpecification"] = {"TrainingImage": IMAGE, "TrainingInputMode": "File"}
        if mode == "processing":
            request["AppSpecification"] = {"ImageUri": IMAGE}
        told[mode] = _refusal(world, operation, request)
    words = "VolumeKmsKeyId cannot be used with ml.g5.xlarge: its local storage is encrypted by the instance."
    assert told == dict.fromkeys(told, ("ValidationException", words))


def test_a_shadow_beside_inf1_instances_is_refused(world: World) -> None:
    name = world.config("serves.py")
    main = {"VariantName": "main", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.inf1.xlarge"}
    shadow = {**main, "VariantName": "shadow", "InstanceType": "ml.m5.large"}
    with pytest.raises(ClientError, match=r"endpoints with Inf1 instances: ml\.inf1\.xlarge\.") as refused:
        world.sagemaker.create_endpoint_config(
            EndpointConfigName=f"shadowed-{name}", ProductionVariants=[main], ShadowProductionVariants=[shadow]
        )
    assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_a_model_without_a_role_is_refused(world: World) -> None:
    with pytest.raises(ClientError, match="The model roleless needs an ExecutionRoleArn") as refused:
        world.sagemaker.create_model(ModelName="roleless", PrimaryContainer={"Image": IMAGE})
    assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_a_model_with_containers_beside_its_primary_one_is_refused(world: World) -> None:
    container = {"Image": IMAGE}
    with pytest.raises(ClientError, match="takes either PrimaryContainer or Containers, not both") as refused:
        world.sagemaker.create_model(
            ModelName="twofold", ExecutionRoleArn=ROLE, PrimaryContainer=container, Containers=[container]
        )
    assert refused.value.response["Error"]["Code"] == "ValidationException"


_VPC = {"VpcConfig": {"SecurityGroupIds": ["sg-0123456789"], "Subnets": ["subnet-0123456789"]}}


@pytest.mark.parametrize("apart", [_VPC, {"EnableNetworkIsolation": True}], ids=["a VPC", "isolation"])
def test_a_serverless_variant_takes_neither_a_vpc_nor_isolation(world: World, apart: dict[str, Any]) -> None:
    name = f"apart-{uuid.uuid4().hex[:12]}"
    for model, more in ((name, apart), (f"plain-{name}", {})):
        world.sagemaker.create_model(ModelName=model, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": IMAGE}, **more)
    serverless = {"VariantName": "main", "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1}}
    wanted = "Serverless endpoints take neither VpcConfig nor EnableNetworkIsolation"
    with pytest.raises(ClientError, match=wanted) as refused:
        world.sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[{**serverless, "ModelName": name}]
        )
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    with pytest.raises(ClientError, match=wanted):
        world.sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[{**serverless, "ModelName": f"plain-{name}"}], **apart
        )
    with_instances = {"VariantName": "main", "ModelName": name, "InstanceType": "ml.m5.large"}
    world.sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[{**with_instances, "InitialInstanceCount": 1}], **apart
    )


def _capturing(world: World, **enabled: bool) -> dict[str, Any]:
    variant = {"VariantName": "main", "ModelName": world.config("serves.py"), **ON_INSTANCE}
    capture = {
        "InitialSamplingPercentage": 1,
        "DestinationS3Uri": "s3://b/c",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    return {
        "EndpointConfigName": f"captures-{uuid.uuid4().hex[:12]}",
        "ProductionVariants": [variant],
        "DataCaptureConfig": {**capture, **enabled},
    }


@pytest.mark.parametrize("enabled", [{}, {"EnableCapture": True}])
def test_a_configuration_that_captures_is_refused(world: World, enabled: dict[str, bool]) -> None:
    with pytest.raises(ClientError, match="DataCaptureConfig is not in the local cloud: nothing is captured"):
        world.sagemaker.create_endpoint_config(**_capturing(world, **enabled))


def test_a_configuration_may_say_that_it_captures_nothing(world: World) -> None:
    request = _capturing(world, EnableCapture=False)
    world.sagemaker.create_endpoint_config(**request)
    told = world.sagemaker.describe_endpoint_config(EndpointConfigName=request["EndpointConfigName"])
    assert told["DataCaptureConfig"] == request["DataCaptureConfig"]
