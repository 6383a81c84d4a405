"""The AWS CLI as it comes from the package index."""

from __future__ import annotations

import io
import json
import tarfile
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.clients.clients import BUCKET, HERE, ROLE, Cloud, Ended
from tests.local.sagemaker.world import IMAGE, until

pytestmark = pytest.mark.slow
_FAILED = 255


def _aws(cloud: Cloud, *words: str) -> Ended:
    return cloud.run("cli", "aws", *words)


def _ask(cloud: Cloud, *words: str, **given: Any) -> Any:
    """Ask for something with a service's own arguments, as JSON where they are no plain text; gives the answer."""
    options = [each for name, value in given.items() for each in (f"--{name.replace('_', '-')}", _said(value))]
    ended = _aws(cloud, *words, *options)
    assert ended.code == 0, ended.err
    return json.loads(ended.out) if ended.out else None


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@pytest.fixture
def name() -> str:
    return f"cli-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def code(name: str, tmp_path: Path, cloud: Cloud) -> str:
    """The scripts, packed here and copied by the CLI; gives their address."""
    with tarfile.open(tmp_path / "sourcedir.tar.gz", mode="w:gz") as archive:
        archive.add(HERE / "programs", arcname=".")
    address = f"s3://{BUCKET}/{name}/sourcedir.tar.gz"
    assert _aws(cloud, "s3", "cp", str(tmp_path / "sourcedir.tar.gz"), address).code == 0
    return address


def _job(name: str, code: str, **more: Any) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{name}/training/"}
    return {
        "training_job_name": name,
        "algorithm_specification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "role_arn": ROLE,
        "input_data_config": [{"ChannelName": "training", "DataSource": {"S3DataSource": source}}],
        "output_data_config": {"S3OutputPath": f"s3://{BUCKET}/{name}"},
        "resource_config": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "stopping_condition": {"MaxRuntimeInSeconds": 600},
        "hyper_parameters": {"sagemaker_program": "fit.py", "sagemaker_submit_directory": code, **more},
    }


def _train(cloud: Cloud, name: str, code: str, **more: Any) -> None:
    """Train, and wait as the CLI does: its first look may not be its last, so we look first."""
    cloud.client("s3").put_object(Bucket=BUCKET, Key=f"{name}/training/rows.csv", Body=b"1\n2\n3\n")
    _ask(cloud, "sagemaker", "create-training-job", **_job(name, code, **more))
    sagemaker = cloud.client("sagemaker")
    until(
        lambda: sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"] in {"Completed", "Failed"},
        60,
    )


def test_a_folder_is_synchronised_listed_and_brought_back(cloud: Cloud, name: str, tmp_path: Path) -> None:
    here = tmp_path / "here"
    (here / "below").mkdir(parents=True)
    (here / "small.txt").write_text("small")
    (here / "below" / "large.bin").write_bytes(bytes(range(256)) * 65_536)  # 16 MiB: in parts
    there = f"s3://{BUCKET}/{name}/"
    sent = _aws(cloud, "s3", "sync", str(here), there, "--no-progress")
    assert sorted(line.split()[0] for line in sent.out.splitlines()) == ["upload:", "upload:"]
    assert _aws(cloud, "s3", "sync", str(here), there, "--no-progress").out == ""
    listed = _aws(cloud, "s3", "ls", "--recursive", there).out.split("\n")
    assert [line.split()[2:] for line in listed if line] == [
        [str(256 * 65_536), f"{name}/below/large.bin"],
        ["5", f"{name}/small.txt"],
    ]
    assert "PRE below/" in _aws(cloud, "s3", "ls", there).out
    back = tmp_path / "back"
    assert _aws(cloud, "s3", "cp", "--recursive", there, str(back), "--no-progress").code == 0
    assert (back / "below" / "large.bin").read_bytes() == (here / "below" / "large.bin").read_bytes()
    (here / "small.txt").unlink()
    assert "delete:" in _aws(cloud, "s3", "sync", "--delete", str(here), there, "--no-progress").out
    assert _aws(cloud, "s3", "ls", f"{there}small.txt").code == 1


def test_a_job_is_made_waited_for_described_and_listed(cloud: Cloud, name: str, code: str, tmp_path: Path) -> None:
    _train(cloud, name, code, rate="0.5")
    asked = ("sagemaker", "wait", "training-job-completed-or-stopped", "--training-job-name", name)
    assert _aws(cloud, *asked).code == 0
    job = _ask(cloud, "sagemaker", "describe-training-job", training_job_name=name)
    assert (job["TrainingJobStatus"], job["HyperParameters"]["rate"]) == ("Completed", "0.5")
    words = ("--name-contains", name, "--query", "TrainingJobSummaries[].TrainingJobStatus", "--output", "text")
    assert _aws(cloud, "sagemaker", "list-training-jobs", *words).out == "Completed\n"
    assert _aws(cloud, "s3", "cp", job["ModelArtifacts"]["S3ModelArtifacts"], str(tmp_path / "model")).code == 0
    with tarfile.open(tmp_path / "model") as model:
        assert model.getnames() == ["model.json"]
    stopped = _aws(cloud, "sagemaker", "stop-training-job", "--training-job-name", name)
    assert stopped.code == _FAILED
    assert "ValidationException" in stopped.err


def test_waiting_for_a_job_that_failed_fails(cloud: Cloud, name: str, code: str) -> None:
    _train(cloud, name, code, rate="much")
    asked = ("sagemaker", "wait", "training-job-completed-or-stopped", "--training-job-name", name)
    ended = _aws(cloud, *asked)
    assert ended.code == _FAILED
    assert "terminal failure state" in ended.err


def test_all_pages_of_a_list_come_as_one(cloud: Cloud, name: str) -> None:
    sagemaker = cloud.client("sagemaker")
    names = [f"{name}-{number:02}" for number in range(23)]
    for each in names:
        sagemaker.create_model(ModelName=each, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": IMAGE})
    words = ("--name-contains", name, "--sort-by", "Name", "--sort-order", "Ascending", "--page-size", "10")
    found = _ask(cloud, "sagemaker", "list-models", *words)
    assert [model["ModelName"] for model in found["Models"]] == names
    first = _ask(cloud, "sagemaker", "list-models", *words, "--max-items", "7")
    assert len(first["Models"]) == 7
    rest = _ask(cloud, "sagemaker", "list-models", *words, "--starting-token", first["NextToken"])
    assert [model["ModelName"] for model in rest["Models"]] == names[7:]


def test_a_model_is_deployed_asked_and_taken_down(cloud: Cloud, name: str, code: str, tmp_path: Path) -> None:
    cloud.client("s3").put_object(Bucket=BUCKET, Key=f"{name}/model.tar.gz", Body=_model())
    container = {
        "Image": IMAGE,
        "ModelDataUrl": f"s3://{BUCKET}/{name}/model.tar.gz",
        "Environment": {"SAGEMAKER_PROGRAM": "serve.py", "SAGEMAKER_SUBMIT_DIRECTORY": code},
    }
    words = ("--model-name", name, "--execution-role-arn", ROLE)
    _ask(cloud, "sagemaker", "create-model", *words, primary_container=container)
    variant = f"VariantName=all,ModelName={name},InstanceType=ml.m5.large,InitialInstanceCount=1"
    words = ("--endpoint-config-name", name, "--production-variants", variant)
    _ask(cloud, "sagemaker", "create-endpoint-config", *words)
    _ask(cloud, "sagemaker", "create-endpoint", endpoint_name=name, endpoint_config_name=name)
    sagemaker = cloud.client("sagemaker")
    until(lambda: sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService", 60)
    assert _aws(cloud, "sagemaker", "wait", "endpoint-in-service", "--endpoint-name", name).code == 0
    (tmp_path / "body.json").write_text("[[1, 2], [3, 4]]")
    words = ("--endpoint-name", name, "--content-type", "application/json")
    body = ("--body", f"fileb://{tmp_path}/body.json", str(tmp_path / "answer.json"))
    told = json.loads(_aws(cloud, "sagemaker-runtime", "invoke-endpoint", *words, *body).out)
    assert told["InvokedProductionVariant"] == "all"
    assert json.loads((tmp_path / "answer.json").read_text()) == [1.5, 3.5]
    _ask(cloud, "sagemaker", "delete-endpoint", endpoint_name=name)
    assert _aws(cloud, "sagemaker", "wait", "endpoint-deleted", "--endpoint-name", name).code == 0


def test_a_version_is_registered_approved_and_tagged(cloud: Cloud, name: str) -> None:
    group = _ask(cloud, "sagemaker", "create-model-package-group", model_package_group_name=name)
    cloud.client("s3").put_object(Bucket=BUCKET, Key=f"{name}/model.tar.gz", Body=_model())
    container = {"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/{name}/model.tar.gz"}
    types = {"SupportedContentTypes": ["text/csv"], "SupportedResponseMIMETypes": ["text/csv"]}
    specification = {"Containers": [container], **types}
    words = ("--model-package-group-name", name)
    made = _ask(cloud, "sagemaker", "create-model-package", *words, inference_specification=specification)
    approval = {"model_package_arn": made["ModelPackageArn"], "model_approval_status": "Approved"}
    _ask(cloud, "sagemaker", "update-model-package", **approval)
    found = _ask(cloud, "sagemaker", "list-model-packages", model_package_group_name=name)["ModelPackageSummaryList"]
    assert [(each["ModelPackageVersion"], each["ModelApprovalStatus"]) for each in found] == [(1, "Approved")]
    arn = group["ModelPackageGroupArn"]
    _aws(cloud, "sagemaker", "add-tags", "--resource-arn", arn, "--tags", "Key=of,Value=mine", "Key=on,Value=us")
    _ask(cloud, "sagemaker", "delete-tags", resource_arn=arn, tag_keys="on")
    assert _ask(cloud, "sagemaker", "list-tags", resource_arn=arn) == {"Tags": [{"Key": "of", "Value": "mine"}]}


def test_what_is_refused_is_told_as_aws_tells_it(cloud: Cloud) -> None:
    missing = _aws(cloud, "sagemaker", "describe-training-job", "--training-job-name", "never")
    assert missing.code == _FAILED
    assert "(ValidationException) when calling the DescribeTrainingJob operation: Requested resource" in missing.err
    elsewhere = _aws(cloud, "sagemaker", "list-domains")
    assert elsewhere.code == _FAILED
    assert "ListDomains is not in the local cloud" in elsewhere.err


def test_it_knows_who_it_is(cloud: Cloud) -> None:
    assert _ask(cloud, "sts", "get-caller-identity")["Account"] == "000000000000"


def _model() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        body = b'{"rate": 0.5, "rows": 1}'
        member = tarfile.TarInfo("model.json")
        member.size = len(body)
        archive.addfile(member, io.BytesIO(body))
    return packed.getvalue()
