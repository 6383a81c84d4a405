"""The local cloud goes wrong as it is told to, through the doors that tests use."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from dropforge.local.faults import calls as calls_of_faults
from dropforge.local.faults.events import Disturbed
from dropforge.local.faults.rules import BadRuleError, Rules, read
from dropforge.testing.faults import FaultError, Faults
from dropforge.testing.server import Server, running
from tests.local.sagemaker.world import IMAGE, ROLE
from tests.local.waiting import wait_until

_SIGNED = "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/sagemaker/aws4_request, SignedHeaders=host, Signature=0"


@pytest.fixture(scope="module")
def alone() -> Iterator[Server]:
    with running(["sagemaker"]) as server:
        yield server


@pytest.fixture
def faults(alone: Server) -> Iterator[Faults]:
    with alone.faults as faults:
        yield faults


def client(alone: Server, service: str = "sagemaker", attempts: int = 1, patience: float = 30) -> Any:
    config = Config(retries={"total_max_attempts": attempts, "mode": "standard"}, read_timeout=patience)
    keys = {"aws_access_key_id": alone.card["access_key"], "aws_secret_access_key": alone.card["secret_key"]}
    return boto3.client(service, endpoint_url=alone.endpoint, region_name="us-east-1", config=config, **keys)


def make_model(sagemaker: Any, name: str = "") -> str:
    name = name or f"model-{uuid.uuid4().hex[:8]}"
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": IMAGE})
    return name


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def begin_job(alone: Server, **more: Any) -> str:
    """Start a job that fails at once: its input is not there."""
    bucket = f"bucket-{uuid.uuid4().hex[:8]}"
    client(alone, "s3").create_bucket(Bucket=bucket)
    name = f"job-{uuid.uuid4().hex[:8]}"
    client(alone).create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        RoleArn=ROLE,
        OutputDataConfig={"S3OutputPath": f"s3://{bucket}/out/"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        **{"StoppingCondition": {"MaxRuntimeInSeconds": 60}, **more},
    )
    return name


def ended(alone: Server, job: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        told: dict[str, Any] = client(alone).describe_training_job(TrainingJobName=job)
        return told if told["TrainingJobStatus"] in {"Completed", "Failed"} else None

    return wait_until(look)


def test_a_throttled_call_is_made_again_by_boto3_and_then_taken(alone: Server, faults: Faults) -> None:
    faults.throttle("CreateModel", times=2)
    with pytest.raises(ClientError) as refused:
        make_model(client(alone))
    assert code_of(refused) == "ThrottlingException"
    name = make_model(client(alone, attempts=3))
    assert client(alone).describe_model(ModelName=name)["ModelName"] == name
    [told] = faults.all()
    assert (told["seen"], told["done"]) == (3, 2)


def test_the_call_that_is_named_fails_and_does_nothing_and_no_other_does(alone: Server, faults: Faults) -> None:
    faults.fail("CreateModel", after=1, code="AccessDeniedException", message="not you", status=400)
    first, third = make_model(client(alone)), f"model-{uuid.uuid4().hex[:8]}"
    with pytest.raises(ClientError, match="not you") as refused:
        make_model(client(alone), third)
    assert code_of(refused) == "AccessDeniedException"
    assert make_model(client(alone), third) == third  # it was not made before, and the fault is spent
    assert client(alone).describe_model(ModelName=first)


def test_a_fault_may_be_meant_for_one_thing_alone(alone: Server, faults: Faults) -> None:
    faults.fail("CreateModel", match={"ModelName": "unlucky"})
    assert make_model(client(alone))
    with pytest.raises(ClientError):
        make_model(client(alone), "unlucky")


def test_a_call_whose_answer_is_lost_has_acted(alone: Server, faults: Faults) -> None:
    faults.lose_answer("CreateModel")
    name = f"model-{uuid.uuid4().hex[:8]}"
    with pytest.raises(ReadTimeoutError):
        make_model(client(alone, patience=1), name)
    assert client(alone).describe_model(ModelName=name)["ModelName"] == name
    faults.lose_answer("DescribeModel", seconds=0)
    with pytest.raises(ClientError, match="lost"):
        client(alone).describe_model(ModelName=name)


def test_a_delayed_call_is_carried_out_afterwards(alone: Server, faults: Faults) -> None:
    faults.delay("DescribeModel", seconds=2)
    name = make_model(client(alone))
    with pytest.raises(ReadTimeoutError):
        client(alone, patience=1).describe_model(ModelName=name)
    assert client(alone).describe_model(ModelName=name)["ModelName"] == name


def test_other_services_and_the_runtime_can_be_disturbed_too(alone: Server, faults: Faults) -> None:
    faults.throttle("PUT", service="s3")
    faults.fail("InvokeEndpoint", match={"EndpointName": "mine"}, code="ServiceUnavailable", status=503)
    with pytest.raises(ClientError, match="SlowDown"):
        client(alone, "s3").create_bucket(Bucket="slow")
    runtime = client(alone, "sagemaker-runtime")
    with pytest.raises(ClientError) as refused:
        runtime.invoke_endpoint(EndpointName="mine", Body=b"x")
    assert code_of(refused) == "ServiceUnavailable"
    with pytest.raises(ClientError) as refused:
        runtime.invoke_endpoint(EndpointName="another", Body=b"x")
    assert code_of(refused) == "ValidationError"


@pytest.mark.parametrize("size", [3, 100_000])
@pytest.mark.parametrize("fault", ["throttle", "fail"])
def test_an_upload_that_is_refused_once_is_made_again_on_the_same_connection(
    alone: Server, faults: Faults, fault: str, size: int
) -> None:
    s3, bucket = client(alone, "s3", attempts=2, patience=10), f"bucket-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)
    getattr(faults, fault)("PUT", service="s3")
    put = s3.put_object(Bucket=bucket, Key="key", Body=b"x" * size)
    assert put["ResponseMetadata"]["RetryAttempts"] == 1
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"x" * size
    assert [fault["done"] for fault in faults.all()] == [1]


@pytest.mark.parametrize(("size", "closes"), [(0, False), (calls_of_faults.MOST_READ, True)])
def test_of_a_refused_request_no_more_is_read_than_so_much(*, size: int, closes: bool) -> None:
    told = [{"type": "http.request", "body": b"x" * size, "more_body": size > 0}]
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return told.pop()

    async def send(message: Any) -> None:
        sent.append(message)

    async def app(*_: Any) -> None:
        raise AssertionError

    rules = Rules()
    rules.add([read({"operation": "PUT", "service": "s3", "does": "throttle"})])
    asyncio.run(calls_of_faults.disturb(rules, "s3", "PUT", app, {"path": "/a/b"}, receive, send))
    assert ((b"connection", b"close") in sent[0]["headers"]) is closes


def test_a_job_for_which_there_is_no_capacity_fails_as_on_aws_and_the_next_one_runs(
    alone: Server, faults: Faults
) -> None:
    faults.run_out_of_capacity("ml.m5.large")
    failed = ended(alone, begin_job(alone))
    assert failed["TrainingJobStatus"] == "Failed"
    assert failed["FailureReason"].startswith("CapacityError: ")
    assert "CapacityError" not in ended(alone, begin_job(alone))["FailureReason"]


def test_events_are_dropped_doubled_and_turned_round_on_their_way_to_the_bus(alone: Server, faults: Faults) -> None:
    kind = "SageMaker Training Job State Change"
    sqs, events = client(alone, "sqs"), client(alone, "events")
    url = sqs.create_queue(QueueName="heard")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="heard", EventPattern=json.dumps({"source": ["aws.sagemaker"]}))
    events.put_targets(Rule="heard", Targets=[{"Id": "queue", "Arn": arn}])
    faults.drop_events(kind, match={"SecondaryStatus": "Starting"})
    faults.duplicate_events(kind, match={"SecondaryStatus": "Failed"})
    job = begin_job(alone)
    heard: list[str] = []

    def listen() -> bool:
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        told = [json.loads(message["Body"])["detail"] for message in found]
        heard.extend(each["SecondaryStatus"] for each in told if each.get("TrainingJobName") == job)
        for message in found:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return heard.count("Failed") >= 2

    wait_until(listen)
    assert "Starting" not in heard


def test_a_job_that_does_not_run_has_no_instance_to_take_away(faults: Faults) -> None:
    with pytest.raises(FaultError, match="not a training job that runs"):
        faults.interrupt("nobody")


def test_a_spot_job_waits_for_capacity_and_its_instance_can_be_taken_away(alone: Server, faults: Faults) -> None:
    faults.run_out_of_capacity("ml.m5.large", times=None)
    times = {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60}
    job = begin_job(alone, EnableManagedSpotTraining=True, StoppingCondition=times)

    def seen() -> list[str]:
        told = client(alone).describe_training_job(TrainingJobName=job)
        return [step["Status"] for step in told["SecondaryStatusTransitions"]]

    wait_until(lambda: faults.all()[0]["done"])
    faults.interrupt(job)
    assert wait_until(lambda: "Interrupted" in seen())
    faults.clear()
    assert "CapacityError" not in ended(alone, job)["FailureReason"]


def test_what_is_no_fault_is_refused_and_what_was_set_is_told_and_cleared(faults: Faults) -> None:
    with pytest.raises(FaultError, match="has no colour"):
        faults.throttle("CreateModel", colour="red")
    faults.throttle("CreateModel", times=None)
    assert [fault["operation"] for fault in faults.all()] == ["CreateModel"]
    faults.clear()
    assert faults.all() == []


@pytest.mark.parametrize(
    ("service", "operation", "advice"),
    [
        ("sagemaker", "CreateTrainingJobb", "did you mean CreateTrainingJob?"),
        ("sagemaker", "InvokeEndpoints", "did you mean InvokeEndpoint?"),
        ("sagemaker", "nonsense", "it has "),
        ("s3", "PutObject", "it has GET, PUT, POST, DELETE, HEAD, LIST"),
        ("s3", "LISTS", "did you mean LIST?"),
    ],
)
def test_an_operation_that_there_is_not_is_refused(faults: Faults, service: str, operation: str, advice: str) -> None:
    with pytest.raises(FaultError, match=rf"{service} has no operation {operation}: {re.escape(advice)}"):
        faults.throttle(operation, service=service)
    assert faults.all() == []


@pytest.mark.parametrize(
    ("service", "operation"),
    [("sagemaker", "InvokeEndpointAsync"), ("sagemaker", "*"), ("s3", "LIST"), ("dynamodb", "PutItem"), ("own", "Any")],
)
def test_operations_that_there_are_and_those_of_other_services_are_taken(service: str, operation: str) -> None:
    assert read({"operation": operation, "service": service, "does": "throttle"}).name == operation


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        {},
        {"operation": "CreateModel", "event": "Y", "does": "drop"},
        {"operation": "CreateModel", "does": "drop"},
        {"event": "X", "does": "throttle"},
        {"operation": "CreateModel", "does": "throttle", "times": "often"},
        {"operation": "CreateModel", "does": "throttle", "after": -1},
        {"operation": "CreateModel", "does": "throttle", "subject": "event"},
        {"operation": "CreateModel", "does": "throttle", "times": True},
        {"operation": "CreateModel", "does": "delay", "seconds": float("nan")},
        {"operation": "CreateModel", "does": "delay", "seconds": float("inf")},
        {"operation": "CreateModel", "does": "fail", "status": 200},
        {"operation": "CreateModel", "does": "fail", "status": 99999},
        {"operation": "CreateModel", "does": "fail", "code": "two\nlines"},
        {"operation": "InvokeEndpoint", "does": "throttle", "service": "sagemaker-runtime"},
        {"operation": "CreateModel", "does": "throttle", "code": "Odd"},
        {"operation": "CreateModel", "does": "fail", "seconds": 1},
        {"event": "X", "does": "drop", "service": "s3"},
        {"capacity": "*", "match": {"TrainingJobName": "mine"}},
    ],
)
def test_what_is_no_rule_is_refused(wrong: Any) -> None:
    with pytest.raises(BadRuleError):
        read(wrong)


@pytest.mark.parametrize(
    ("rule", "more"),
    [
        ({"operation": "AddTags", "does": "throttle"}, {"service": "sagemaker", "match": {}}),
        (
            {"operation": "AddTags", "does": "fail", "code": "Odd"},
            {"service": "sagemaker", "match": {}, "status": 500, "message": "The local cloud was asked to fail."},
        ),
        ({"operation": "PUT", "service": "s3", "does": "delay", "seconds": 2}, {"match": {}}),
        ({"event": "*", "does": "hold", "match": {"EndpointStatus": "IN_SERVICE"}}, {}),
        ({"capacity": "*"}, {"does": "run-out"}),
    ],
)
def test_a_rule_is_told_as_it_could_be_given_again(rule: dict[str, Any], more: dict[str, Any]) -> None:
    rules = Rules()
    rules.add([read(rule)])
    told = rules.told()
    assert told == [{"after": 0, "times": 1, **rule, **more, "seen": 0, "done": 0}]
    assert [read(each) for each in told] == [read(rule)]


def test_a_body_that_goes_down_without_end_is_refused_and_disturbs_nothing(alone: Server, faults: Faults) -> None:
    faults.fail("ListModels", match={"NameContains": "unlucky"})
    deep = b'{"faults": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    connection = http.client.HTTPConnection(alone.endpoint.removeprefix("http://"))
    for path, headers in (
        ("/_dropforge/faults", {}),
        ("/_dropforge/faults/interruptions", {}),
        ("/", {"Authorization": _SIGNED, "X-Amz-Target": "SageMaker.ListModels"}),
    ):
        connection.request("POST", path, deep, headers)
        answer = connection.getresponse()
        assert (answer.status, bool(json.loads(answer.read()))) == (400, True)
    connection.close()


def test_an_error_of_s3_is_xml_whatever_it_says(alone: Server, faults: Faults) -> None:
    faults.fail("PUT", service="s3", code="Odd", message="<&>", status=400)
    with pytest.raises(ClientError, match="<&>") as refused:
        client(alone, "s3").create_bucket(Bucket="odd")
    assert code_of(refused) == "Odd"


def test_a_rule_lets_some_through_disturbs_some_and_is_spent() -> None:
    rules = Rules()
    rules.add([read({"operation": "*", "does": "fail", "after": 2, "times": 2})])
    seen = [rules.next("operation", "Any") is not None for _ in range(6)]
    assert seen == [False, False, True, True, False, False]
    assert rules.next("operation", "Any", service="s3") is None


def test_each_rule_counts_all_that_it_names_and_the_first_acts() -> None:
    rules = Rules()
    rules.add([read({"operation": "AddTags", "does": "delay"}), read({"operation": "*", "does": "fail", "after": 1})])
    assert [getattr(rules.next("operation", "AddTags"), "does", None) for _ in range(3)] == ["delay", "fail", None]


def test_a_held_event_comes_after_the_next_one_or_when_faults_end() -> None:
    rules, sent = Rules(), list[str]()
    disturbed = Disturbed(rules, lambda kind, _detail, _resources: sent.append(kind))
    rules.add([read({"event": kind, "does": "hold"}) for kind in ("first", "last")])
    for kind in ("first", "second", "last"):
        disturbed(kind, {}, [])
    assert sent == ["second", "first"]
    disturbed.release()
    assert sent == ["second", "first", "last"]


def test_many_threads_share_what_a_rule_may_disturb() -> None:
    rules, met = Rules(), list[bool]()
    rules.add([read({"operation": "*", "does": "fail", "after": 50, "times": 100})])

    def call() -> None:
        met.extend(rules.next("operation", "Any") is not None for _ in range(100))

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(met) == 100
