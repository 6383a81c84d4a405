"""What the adapters ask of SageMaker, checked against botocore's own description of each request."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.session import Session
from botocore.validate import ParamValidator

from chalicelib.aws.bucket import Bucket
from chalicelib.aws.clients import Clients
from chalicelib.aws.hosting import Hosting
from chalicelib.aws.items import DOCUMENT_LIMIT
from chalicelib.aws.jobs import Jobs
from chalicelib.aws.records import Records
from chalicelib.aws.registry import Registry
from chalicelib.aws.tags import tags
from chalicelib.errors import InvocationError, InvocationTimeoutError, RefusedError
from chalicelib.model import Channel, Entry
from chalicelib.names import Names
from chalicelib.ports import ConfigRequest, ModelRequest, PackageRequest, TrainingJob
from tests.contracts.values import run, run_id
from tests.fakes.world import SETTINGS

NAMES = SETTINGS.names
OPERATIONS = {
    "create_endpoint_config": "CreateEndpointConfig",
    "create_model": "CreateModel",
    "create_model_package": "CreateModelPackage",
    "create_model_package_group": "CreateModelPackageGroup",
    "create_training_job": "CreateTrainingJob",
    "update_endpoint": "UpdateEndpoint",
    "update_model_package": "UpdateModelPackage",
}
ANSWERS: dict[str, Any] = {
    "create_model_package": {"ModelPackageArn": "arn:package/1"},
    "describe_model_package": {
        "ModelPackageArn": "arn:package/1",
        "ModelPackageVersion": 1,
        "ModelApprovalStatus": "PendingManualApproval",
    },
    "list_model_packages": {"ModelPackageSummaryList": []},
}


class Recorder:
    """A client that keeps what it is asked, and answers or raises what it was told to."""

    def __init__(self, answers: dict[str, Any] | None = None) -> None:
        self.asked: dict[str, dict[str, Any]] = {}
        self.made: list[tuple[str, Any]] = []
        self._answers = ANSWERS | (answers or {})

    def clients(self) -> Clients:
        return Clients("us-east-1", self._make)

    def _make(self, service: str, *, region_name: str, config: Any) -> Recorder:
        assert region_name == "us-east-1"
        self.made.append((service, config))
        return self

    def __getattr__(self, operation: str) -> Any:
        def call(**request: Any) -> Any:
            self.asked[operation] = request
            answer = self._answers.get(operation, {})
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


@pytest.fixture(scope="module")
def model() -> Any:
    return Session().get_service_model("sagemaker")


def check(model: Any, recorder: Recorder) -> None:
    """Names and types only, as botocore itself would check before it sends."""
    for operation, request in recorder.asked.items():
        if operation in OPERATIONS:
            shape = model.operation_model(OPERATIONS[operation]).input_shape
            report = ParamValidator().validate(request, shape)
            assert not report.has_errors(), report.generate_report()


def test_a_training_job_asks_for_what_was_sealed_and_says_whose_it_is(model: Any) -> None:
    recorder = Recorder()
    job = TrainingJob(
        name=NAMES.job("digits", run_id(1), 0, 2),
        image="image",
        instance_type="ml.m5.large",
        volume_gb=30,
        max_runtime_seconds=3600,
        channels=(
            Channel("training", 2, 10, "s3://bucket/runs/digits/abc/input/training.manifest"),
            Channel("config", 1, 5, "s3://bucket/datasets/digits/d.json", manifest=False),
        ),
        output_uri="s3://bucket/runs/digits/abc/output/",
        hyperparameters={"epochs": "20"},
        environment={"LOG_LEVEL": "info"},
        metrics={"accuracy": "accuracy=(.*)"},
        request="ab" * 32,
    )
    Jobs(SETTINGS, recorder.clients()).start(job)
    check(model, recorder)
    asked = recorder.asked["create_training_job"]
    sources = [channel["DataSource"]["S3DataSource"] for channel in asked["InputDataConfig"]]
    assert [source["S3DataType"] for source in sources] == ["ManifestFile", "S3Prefix"]
    assert {source["S3DataDistributionType"] for source in sources} == {"FullyReplicated"}
    assert {channel["InputMode"] for channel in asked["InputDataConfig"]} == {"File"}
    assert asked["Environment"] == {"LOG_LEVEL": "info", "DROPFORGE_REQUEST": "ab" * 32}
    assert asked["RoleArn"] == SETTINGS.job_role
    assert asked["EnableManagedSpotTraining"] is False
    assert asked["ResourceConfig"] == {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30}
    assert {tag["Key"]: tag["Value"] for tag in asked["Tags"]} == {
        "dropforge:stage": "test",
        "dropforge:pipeline": "digits",
    }


def test_a_package_says_where_it_comes_from_and_is_asked_for_with_a_token_of_its_run(model: Any) -> None:
    recorder = Recorder()
    package = PackageRequest(
        group=NAMES.group("digits"),
        run=run_id(1),
        image="image",
        model_uri="s3://bucket/model.tar.gz",
        environment={"DROPFORGE_RUN": run_id(1)},
        accept=("image/png",),
        metadata={"dataset": "digest"},
        metrics_uri="s3://bucket/metrics.json",
        approved=True,
        note="x" * 2000,
    )
    Registry(SETTINGS, recorder.clients()).register(package)
    check(model, recorder)
    asked = recorder.asked["create_model_package"]
    assert len(asked["ClientToken"]) <= 36
    assert asked["CustomerMetadataProperties"] == {"dataset": "digest", "run": run_id(1), "attempt": "1"}
    assert asked["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"] == "s3://bucket/metrics.json"
    approval = recorder.asked["update_model_package"]
    assert (approval["ModelApprovalStatus"], len(approval["ApprovalDescription"])) == ("Approved", 1024)


def test_a_run_that_is_registered_is_found_and_not_made_again_once_its_token_is_forgotten() -> None:
    about = {**ANSWERS["describe_model_package"], "CustomerMetadataProperties": {"run": run_id(1)}}
    listed = {"ModelPackageSummaryList": [{"ModelPackageArn": "arn:package/1"}]}
    recorder = Recorder({"list_model_packages": listed, "describe_model_package": about})
    registry = Registry(SETTINGS, recorder.clients())
    asked = PackageRequest("group", run_id(1), "image", "s3://b/k", {}, (), {}, None, approved=False, note="")
    assert registry.register(asked).arn == "arn:package/1"
    assert "create_model_package" not in recorder.asked
    assert registry.find("group", run_id(2)) is None


def test_a_page_of_folders_starts_behind_everything_in_the_last_one() -> None:
    # S3 itself would list the folder again, by what lies in it; the local one does not.
    recorder = Recorder({"list_objects_v2": {"IsTruncated": False}})
    Bucket(SETTINGS, recorder.clients()).prefixes("d/", after="d/a/")
    assert recorder.asked["list_objects_v2"]["StartAfter"] > "d/a/\U0001f600"
    assert recorder.asked["list_objects_v2"]["StartAfter"] < "d/a0"


def test_an_update_keeps_nothing_of_the_old_configuration(model: Any) -> None:
    recorder = Recorder()
    Hosting(SETTINGS, recorder.clients()).update_endpoint(NAMES.endpoint("digits"), "config")
    check(model, recorder)
    assert recorder.asked["update_endpoint"]["RetainAllVariantProperties"] is False


def test_a_model_and_its_configuration_are_well_formed(model: Any) -> None:
    recorder = Recorder()
    hosting = Hosting(SETTINGS, recorder.clients())
    hosting.ensure_model(ModelRequest(NAMES.immutable("digits", "ab" * 32), "image", "s3://b/k", {"A": "b"}))
    hosting.ensure_config(ConfigRequest(NAMES.immutable("digits", "cd" * 32), "model", "ml.m5.large", 2))
    check(model, recorder)
    assert recorder.asked["create_model"]["ExecutionRoleArn"] == SETTINGS.job_role


class Account:
    """Endpoints of one account, oldest first, listed as SageMaker does."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.calls = 0

    def clients(self) -> Clients:
        return Clients("us-east-1", lambda _service, **_: self)

    def list_endpoints(self, *, NameContains: str, MaxResults: int, NextToken: str = "0", **_: str) -> Any:  # noqa: N803 -- boto3's names
        self.calls += 1
        found = [name for name in self.names if NameContains in name]
        end = int(NextToken) + MaxResults
        listed = [
            {"EndpointName": name, "EndpointStatus": "InService", "CreationTime": datetime(2031, 5, 1, tzinfo=UTC)}
            for name in found[int(NextToken) : end]
        ]
        return {"Endpoints": listed} | ({"NextToken": str(end)} if end < len(found) else {})


def test_a_forgotten_rehearsal_is_found_among_hundreds_of_strangers_in_one_call() -> None:
    mine = NAMES.rehearsal("digits", "ab" * 32)
    account = Account(*(f"other-{number}-rehearse-{number:012}" for number in range(300)), mine)
    assert [seen.name for seen in Hosting(SETTINGS, account.clients()).rehearsals(limit=50)] == [mine]
    assert account.calls == 1


def test_a_forgotten_rehearsal_is_found_behind_a_hundred_live_endpoints() -> None:
    mine = [NAMES.rehearsal("digits", f"{number:012}") for number in range(3)]
    account = Account(*(NAMES.endpoint(f"p{number}") for number in range(250)), *mine)
    hosting = Hosting(SETTINGS, account.clients())
    assert [seen.name for seen in hosting.rehearsals(limit=50)] == mine
    assert [seen.name for seen in hosting.rehearsals(limit=2)] == mine[:2]


@pytest.mark.parametrize(
    ("name", "pipeline"),
    [
        (NAMES.job("a-b-1", run_id(1), 3, 12), "a-b-1"),
        (NAMES.immutable("a-b-1", "ab" * 32), "a-b-1"),
        (NAMES.endpoint("a-b-1"), "a-b-1"),
        (NAMES.rehearsal("a-b-1", "ab" * 32), "a-b-1"),
        (NAMES.group("a-b-1"), "a-b-1"),
    ],
)
def test_every_name_of_ours_is_tagged_with_its_pipeline(name: str, pipeline: str) -> None:
    assert tags(Names("df", "test"), name)[1] == {"Key": "dropforge:pipeline", "Value": pipeline}


def model_error(message: str, status: int) -> ClientError:
    error = {"Code": "ModelError", "Message": "Received server error."}
    answer: Any = {"Error": error, "OriginalStatusCode": status, "OriginalMessage": message}
    return ClientError(answer, "InvokeEndpoint")


def ask(recorder: Recorder, seconds: float = 3) -> None:
    Hosting(SETTINGS, recorder.clients()).invoke(
        "endpoint", b"", content_type="image/png", accept="application/json", seconds=seconds
    )


def test_what_the_container_answered_comes_with_the_error() -> None:
    with pytest.raises(InvocationError) as raised:
        ask(Recorder({"invoke_endpoint": model_error("no such label", 500)}))
    assert raised.value.facts == {"container_status": 500, "body": "no such label"}


@pytest.mark.parametrize(
    "error",
    [
        model_error("Your invocation timed out while waiting for a response from container main.", 0),
        ReadTimeoutError(endpoint_url="https://example.org"),
    ],
)
def test_no_answer_of_the_container_is_a_timeout(error: Exception) -> None:
    with pytest.raises(InvocationTimeoutError):
        ask(Recorder({"invoke_endpoint": error}))


def test_a_model_that_was_slow_is_asked_once_and_no_longer_than_allowed() -> None:
    recorder = Recorder({"invoke_endpoint": model_error("no", 500)})
    with pytest.raises(InvocationError):
        ask(recorder, seconds=7)
    ((service, config),) = recorder.made
    assert (service, config.read_timeout) == ("sagemaker-runtime", 7)
    assert config.retries["total_max_attempts"] == 1


def test_a_client_is_made_once_and_when_it_is_first_asked_for() -> None:
    recorder = Recorder()
    clients = recorder.clients()
    assert recorder.made == []
    assert clients.get("sagemaker") is clients.get("sagemaker")
    assert [service for service, _ in recorder.made] == ["sagemaker"]


def test_every_service_has_its_attempts_and_its_time_outs() -> None:
    recorder = Recorder()
    for service in ("s3", "dynamodb", "sqs", "logs", "sagemaker"):
        recorder.clients().get(service)
    for _, config in recorder.made:
        assert config.retries["total_max_attempts"] in {3, 4}
        assert config.connect_timeout <= 3
        assert config.read_timeout <= 15


def test_a_value_that_the_table_cannot_hold_is_refused_before_it_is_sent() -> None:
    recorder = Recorder()
    large = run(labels=tuple("x" * 1000 for _ in range(DOCUMENT_LIMIT // 1000)))
    with pytest.raises(RefusedError, match=f"room for {DOCUMENT_LIMIT}"):
        Records(SETTINGS, recorder.clients(), lambda: 0.0).save(large)
    assert recorder.asked == {}


def test_a_timeline_entry_ends_after_ninety_days() -> None:
    recorder = Recorder()
    at = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    Records(SETTINGS, recorder.clients(), lambda: 0.0).note("run:0123456789ab", Entry(at, "seen"))
    expires = int(recorder.asked["put_item"]["Item"]["expires"]["N"])
    assert datetime.fromtimestamp(expires, UTC) == datetime(2026, 4, 1, tzinfo=UTC)
