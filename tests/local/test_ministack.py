"""Contracts with ministack's insides: what `dropforge.local.ministack` relies on."""

from __future__ import annotations

import io
import json
import time
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

import pytest

from dropforge.local import ministack
from dropforge.local.home import ACCOUNT, REGION
from dropforge.local.ministack import Account
from dropforge.local.ministack.snapshots import Snapshots
from tests.local.conftest import Stack
from tests.local.waiting import wait_until


def make_function(stack: Stack, name: str, mark: Path) -> str:
    """Deploy a function whose handler leaves a mark if anybody executes it."""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", f"import pathlib\npathlib.Path({str(mark)!r}).touch()\ndef handle(e, c): return 1\n")
    made = stack.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.11",
        Handler="app.handle",
        Role=f"arn:aws:iam::{ACCOUNT}:role/any",
        Code={"ZipFile": code.getvalue()},
    )
    return str(made["FunctionArn"])


def make_queue(stack: Stack, name: str) -> tuple[str, str]:
    sqs = stack.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return url, arn


def put_rule(stack: Stack, name: str, target: str, **rule: Any) -> None:
    events = stack.client("events")
    events.put_rule(Name=name, **rule)
    events.put_targets(Rule=name, Targets=[{"Id": "only", "Arn": target}])


def test_no_event_of_any_kind_makes_ministack_execute_a_handler(stack: Stack, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    arn = make_function(stack, "never", mark)
    url, queue_arn = make_queue(stack, "never")
    awslambda, sqs = stack.client("lambda"), stack.client("sqs")
    awslambda.create_event_source_mapping(EventSourceArn=queue_arn, FunctionName="never", BatchSize=1)
    put_rule(stack, "never", arn, EventPattern=json.dumps({"source": ["test.never"]}))
    sqs.send_message(QueueUrl=url, MessageBody="hello")
    stack.client("events").put_events(Entries=[{"Source": "test.never", "DetailType": "t", "Detail": "{}"}])
    answer = awslambda.invoke(FunctionName="never", Payload=b'{"how": "now"}')
    awslambda.invoke(FunctionName="never", Payload=b'{"how": "later"}', InvocationType="Event")

    assert json.loads(answer["Payload"].read()) == {"seen": {"how": "now"}}
    assert ("never", {"how": "now"}) in stack.recorder.invoked
    assert ("never", {"how": "later"}) in stack.recorder.queued
    wait_until(lambda: [e for f, e in stack.recorder.queued if f == "never" and e.get("source") == "test.never"])
    # The message that no poller of ministack's took is still there for ours, and nothing ran.
    assert sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1)["Messages"][0]["Body"] == "hello"
    assert not mark.exists()


def test_an_object_created_event_reaches_a_function_through_the_invoker(stack: Stack, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    arn = make_function(stack, "classic", mark)
    s3 = stack.client("s3")
    s3.create_bucket(Bucket="classic")
    s3.put_bucket_notification_configuration(
        Bucket="classic",
        NotificationConfiguration={
            "LambdaFunctionConfigurations": [{"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}]
        },
    )
    s3.put_object(Bucket="classic", Key="a", Body=b"x")
    [(_, event)] = wait_until(lambda: [each for each in stack.recorder.queued if each[0] == "classic"])
    assert event["Records"][0]["s3"]["object"]["key"] == "a"
    assert not mark.exists()


def test_workers_of_ministack_refuse_to_start(stack: Stack) -> None:
    from ministack.services import lambda_svc

    assert stack
    with pytest.raises(RuntimeError, match="must not run handlers"):
        lambda_svc.acquire_worker("f", {}, b"")
    with pytest.raises(RuntimeError, match="must not run handlers"):
        lambda_svc.ensure_spawned(None)


def test_an_event_of_an_aws_service_looks_as_on_aws(stack: Stack) -> None:
    url, arn = make_queue(stack, "states")
    put_rule(stack, "states", arn, EventPattern=json.dumps({"source": ["aws.sagemaker"]}))
    detail = {"TrainingJobName": "j", "TrainingJobStatus": "Completed"}
    stack.ministack.emit("aws.sagemaker", "SageMaker Training Job State Change", detail, ["arn:aws:sagemaker:x"])
    [message] = stack.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
    event = json.loads(message["Body"])
    assert event.pop("id")
    assert time.strptime(event.pop("time"), "%Y-%m-%dT%H:%M:%SZ")
    assert event == {
        "version": "0",
        "source": "aws.sagemaker",
        "account": ACCOUNT,
        "region": REGION,
        "resources": ["arn:aws:sagemaker:x"],
        "detail-type": "SageMaker Training Job State Change",
        "detail": detail,
    }


def test_a_customer_may_not_publish_in_the_name_of_aws(stack: Stack) -> None:
    entry = {"Source": "aws.sagemaker", "DetailType": "t", "Detail": "{}"}
    answer = stack.client("events").put_events(Entries=[entry])
    assert answer["Entries"][0]["ErrorCode"] == "NotAuthorizedForSourceException"


def test_ministack_fires_no_schedule(stack: Stack) -> None:
    from ministack.services import eventbridge, scheduler

    assert stack
    assert eventbridge._scheduler_thread is None  # noqa: SLF001  the contract is about its insides
    assert scheduler._ticker_thread is None  # noqa: SLF001  see above


def test_what_changed_is_on_disk_within_seconds(stack: Stack) -> None:
    make_queue(stack, "kept-queue")
    file = stack.home.path / "state" / "sqs.json"
    wait_until(lambda: file.exists() and "kept-queue" in file.read_text())


def test_a_snapshot_that_was_cut_short_leaves_the_one_before_whole(stack: Stack, tmp_path: Path) -> None:
    assert stack  # it is imported, and told to keep state
    snapshots = Snapshots(tmp_path)
    unwritable = {"no": {object()}}
    snapshots.write({"lambda": {"made": 1}, "cloudformation": {"made": 1}})
    snapshots.write({"lambda": unwritable, "cloudformation": {"made": 2}})
    assert _made_in(snapshots) == {"lambda": 1, "cloudformation": 1}
    (tmp_path / "state-cut-short").mkdir()  # as a kill in the midst of the next one leaves it
    assert _made_in(snapshots) == {"lambda": 1, "cloudformation": 1}
    snapshots.write({"lambda": {"made": 3}, "cloudformation": {"made": 3}})
    assert _made_in(snapshots) == {"lambda": 3, "cloudformation": 3}
    # What no start would read any more is cleared away.
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(["state", snapshots.link.readlink().name])


def test_every_answer_of_dynamodb_comes_through_the_journal(stack: Stack) -> None:
    from ministack.services import dynamodb

    client = stack.client("dynamodb")
    key: Any = {"AttributeName": "pk"}
    client.create_table(
        TableName="journaled",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[key | {"KeyType": "HASH"}],
        AttributeDefinitions=[key | {"AttributeType": "S"}],
    )
    # It is made when a snapshot has it; `test_tables.py` holds what becomes of its items.
    assert "journaled" in (stack.home.path / "state" / "dynamodb.json").read_text()
    client.put_item(TableName="journaled", Item={"pk": {"S": "x"}})
    [table] = [table for (_, _, name), table in dynamodb._tables.all_items() if name == "journaled"]  # noqa: SLF001
    assert table["TableArn"] == f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/journaled"
    assert table["TableId"]
    # An item whose time to live has ended goes without any request.
    dynamodb._remove_item(table, "x", "__no_sort__")  # noqa: SLF001  as ministack's own thread calls it
    [segment, *_] = sorted((stack.home.path / "journal").iterdir(), reverse=True)
    wait_until(lambda: segment.read_text().splitlines()[-1:] or not segment.exists())


def test_who_is_told_to_end_before_the_state_was_loaded_leaves_it_as_it_was(stack: Stack) -> None:
    port = int(stack.endpoint.rpartition(":")[2])
    early = ministack.Ministack(stack.home.path, Account(ACCOUNT, REGION, port, stack.home.keys()))
    stack.ministack.saved()
    before = (stack.home.path / "state").readlink()
    early.stop()
    assert (stack.home.path / "state").readlink() == before


def _made_in(snapshots: Snapshots) -> dict[str, int]:
    files = snapshots.link.glob("*.json")
    return {file.stem: json.loads(file.read_text())["payload"]["made"] for file in files}


def test_services_are_copied_together_and_one_that_is_changing_is_tried_again(stack: Stack) -> None:
    tries = []

    def changing() -> dict[str, int]:
        tries.append(1)
        if len(tries) < 3:
            raise RuntimeError("dictionary changed size during iteration")
        return {"made": 1}

    assert stack
    assert ministack._copied(changing) == {"made": 1}  # noqa: SLF001  the contract is about its insides
    assert len(tries) == 3


def test_objects_lie_on_disk_at_once(stack: Stack) -> None:
    s3 = stack.client("s3")
    s3.create_bucket(Bucket="on-disk")
    s3.put_object(Bucket="on-disk", Key="a/b c+ü", Body=b"content")
    found = [file for file in (stack.home.path / "s3").rglob("*") if file.is_file() and file.read_bytes() == b"content"]
    assert found


def test_a_presigned_link_works_without_any_credentials(stack: Stack) -> None:
    s3 = stack.client("s3")
    s3.create_bucket(Bucket="linked")
    s3.put_object(Bucket="linked", Key="ein ordner/ü+%.txt", Body=b"content")
    link = s3.generate_presigned_url("get_object", Params={"Bucket": "linked", "Key": "ein ordner/ü+%.txt"})
    with urllib.request.urlopen(link, timeout=30) as answer:  # noqa: S310  a loopback address
        assert answer.read() == b"content"


@pytest.mark.parametrize(
    ("expression", "after", "fires"),
    [
        ("cron(0 12 * * ? *)", 0.0, 43200.0),
        ("cron(0/5 * * * ? *)", 60.0, 300.0),
        ("rate(1 minute)", 0.0, None),
        ("nonsense", 0.0, None),
    ],
)
def test_the_next_time_of_a_cron_expression_is_known(
    stack: Stack, expression: str, after: float, fires: float | None
) -> None:
    assert stack
    assert ministack.next_cron(expression, after) == fires


@pytest.mark.parametrize(
    ("method", "target", "reads"),
    [
        ("GET", "", True),
        ("PUT", "", False),
        ("POST", "DynamoDB_20120810.Query", True),
        ("POST", "DynamoDB_20120810.PutItem", False),
        ("POST", "AmazonSQS.ReceiveMessage", True),
        ("POST", "AmazonSQS.DeleteMessage", False),
    ],
)
def test_only_what_may_have_changed_something_asks_for_a_snapshot(method: str, target: str, *, reads: bool) -> None:
    scope = {"method": method, "headers": [(b"x-amz-target", target.encode())]}
    assert ministack.reads_only(scope) is reads


def test_an_object_may_be_written_with_kms_and_no_key_and_lies_under_the_accounts_own(stack: Stack) -> None:
    s3 = stack.client("s3")
    s3.create_bucket(Bucket="encrypted")
    s3.put_object(Bucket="encrypted", Key="a", Body=b"x", ServerSideEncryption="aws:kms")
    s3.put_object(Bucket="encrypted", Key="b", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId="mine")
    s3.put_object(Bucket="encrypted", Key="c", Body=b"x")
    assert s3.head_object(Bucket="encrypted", Key="a")["SSEKMSKeyId"].endswith("alias/aws/s3")
    assert s3.head_object(Bucket="encrypted", Key="b")["SSEKMSKeyId"] == "mine"
    assert "SSEKMSKeyId" not in s3.head_object(Bucket="encrypted", Key="c")


def test_figures_are_found_from_the_whole_minute_on_in_which_one_begins_to_look(stack: Stack) -> None:
    cloudwatch = stack.client("cloudwatch")
    minute = int(time.time()) // 60 * 60 - 120
    dimensions = [{"Name": "of", "Value": "minutes"}]
    for at in (minute - 1, minute + 10):
        datum = {"MetricName": "seen", "Dimensions": dimensions, "Timestamp": at, "Value": 1.0}
        cloudwatch.put_metric_data(Namespace="minutes", MetricData=[datum])
    look = {"StartTime": minute + 10.5, "EndTime": minute + 60}
    asked = {"Namespace": "minutes", "MetricName": "seen", "Dimensions": dimensions, "Period": 60}
    found = cloudwatch.get_metric_statistics(**asked, **look, Statistics=["Sum"])["Datapoints"]
    assert [each["Sum"] for each in found] == [1.0]
    metric = {"Namespace": "minutes", "MetricName": "seen", "Dimensions": dimensions}
    query = {"Id": "one", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}
    assert cloudwatch.get_metric_data(MetricDataQueries=[query], **look)["MetricDataResults"][0]["Values"] == [1.0]
