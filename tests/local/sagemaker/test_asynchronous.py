"""Endpoints that answer into S3."""

from __future__ import annotations

import http.client
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

import pytest
from botocore.exceptions import ClientError

from dropforge.local.sagemaker.errors import SageMakerError
from dropforge.local.sagemaker.hosting.runtime import Request
from dropforge.local.sagemaker.store import Row
from tests.local.sagemaker import told
from tests.local.sagemaker.told import order
from tests.local.sagemaker.world import World, until


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, neighbours: int) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("home"), neighbours, told.IMAGES)
    yield made
    made.stop()


@pytest.fixture
def topics(world: World) -> Iterator[dict[str, Any]]:
    """Two topics, and what each is told."""
    sns, sqs = world.client("sns"), world.client("sqs")
    made: dict[str, Any] = {}
    for kind in ("SuccessTopic", "ErrorTopic"):
        name = f"{kind}-{uuid.uuid4().hex[:8]}"
        queue = sqs.create_queue(QueueName=name)["QueueUrl"]
        topic = sns.create_topic(Name=name)["TopicArn"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
        made[kind] = (topic, queue)
    yield made
    for topic, queue in made.values():
        sns.delete_topic(TopicArn=topic)
        sqs.delete_queue(QueueUrl=queue)


def _config(world: World, topics: dict[str, Any] | None = None, most: int = 2) -> dict[str, Any]:
    output = {"S3OutputPath": f"s3://{world.bucket}/answers/", "S3FailurePath": f"s3://{world.bucket}/failures"}
    notify = {"NotificationConfig": {kind: topic for kind, (topic, _) in (topics or {}).items()}}
    return {
        "ClientConfig": {"MaxConcurrentInvocationsPerInstance": most},
        "OutputConfig": {**output, **(notify if topics else {})},
    }


def _ask(world: World, endpoint: str, what: dict[str, Any], **more: Any) -> dict[str, Any]:
    location = world.put(f"in/{uuid.uuid4().hex}", order(**what))
    answer: dict[str, Any] = world.runtime.invoke_endpoint_async(
        EndpointName=endpoint, InputLocation=location, ContentType="a/b", **more
    )
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    return answer


def _object(world: World, uri: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = world.s3.get_object(Bucket=world.bucket, Key=uri.removeprefix(f"s3://{world.bucket}/"))
    except world.s3.exceptions.NoSuchKey:
        return None
    return found


def _seen(world: World, uri: str) -> dict[str, Any]:
    return until(lambda: _object(world, uri))


def _message(world: World, topics: dict[str, Any], kind: str) -> dict[str, Any]:
    sqs = world.client("sqs")
    received = until(lambda: sqs.receive_message(QueueUrl=topics[kind][1]).get("Messages"))
    message: dict[str, Any] = json.loads(received[0]["Body"])
    return message


def test_an_answer_lies_where_it_was_promised_and_the_topic_is_told(world: World, topics: dict[str, Any]) -> None:
    endpoint = told.deploy(world, AsyncInferenceConfig=_config(world, topics))
    assert world.endpoint(endpoint)["AsyncInferenceConfig"] == _config(world, topics)
    asked = _ask(world, endpoint, {}, InferenceId="mine")
    assert asked["InferenceId"] == "mine"
    assert asked["OutputLocation"].startswith(f"s3://{world.bucket}/answers/")
    answer = _seen(world, asked["OutputLocation"])
    assert answer["ContentType"] == "text/x-told"
    heard = json.loads(answer["Body"].read())["headers"]
    assert {name.lower(): value for name, value in heard.items()}["content-type"] == "a/b"
    message = _message(world, topics, "SuccessTopic")
    assert (message["invocationStatus"], message["inferenceId"]) == ("Completed", "mine")
    assert message["responseParameters"] == {"contentType": "text/x-told", "outputLocation": asked["OutputLocation"]}
    assert message["requestParameters"]["endpointName"] == endpoint
    until(lambda: told.metric(world, "InvocationsProcessed", EndpointName=endpoint)["Sum"] == 1)


def test_a_container_gets_the_headers_that_it_gets_of_one_that_waits(world: World) -> None:
    queued, direct = told.deploy(world, AsyncInferenceConfig=_config(world)), told.deploy(world)
    members = {"ContentType": "a/b", "Accept": "c/d", "CustomAttributes": "some", "InferenceId": "mine"}
    asked = world.runtime.invoke_endpoint_async(EndpointName=queued, Body=order(), **members)
    heard = json.loads(_seen(world, asked["OutputLocation"])["Body"].read())["headers"]
    wanted = json.loads(world.invoke(direct, order(), **members))["headers"]
    assert {name.lower(): value for name, value in heard.items()} == {
        name.lower(): value for name, value in wanted.items()
    }


def test_a_container_that_fails_leaves_a_failure_object_and_the_error_topic_is_told(
    world: World, topics: dict[str, Any]
) -> None:
    endpoint = told.deploy(world, AsyncInferenceConfig=_config(world, topics))
    asked = _ask(world, endpoint, {"status": 500, "pieces": ["no luck"]})
    failure = _seen(world, asked["FailureLocation"])
    assert "Received server error (500)" in failure["Body"].read().decode()
    assert _object(world, asked["OutputLocation"]) is None
    message = _message(world, topics, "ErrorTopic")
    assert message["invocationStatus"] == "Failed"
    assert "no luck" in message["failureReason"]


def test_an_answer_that_is_too_large_is_a_failure_and_says_so(world: World) -> None:
    endpoint = told.deploy(world, AsyncInferenceConfig=_config(world))
    headers = {"Transfer-Encoding": "", "Content-Length": str(1 << 35)}
    asked = _ask(world, endpoint, {"headers": headers, "then": "break"})
    assert "larger than 1073741824 bytes" in _seen(world, asked["FailureLocation"])["Body"].read().decode()


def test_what_takes_too_long_waits_too_long_or_is_not_there_fails(world: World) -> None:
    endpoint = told.deploy(world, AsyncInferenceConfig=_config(world, most=1))
    slow = _ask(world, endpoint, {"pause": 30}, InvocationTimeoutSeconds=2)
    late = _ask(world, endpoint, {}, RequestTTLSeconds=60)  # 0.6 s at the pace of this cloud
    gone = world.runtime.invoke_endpoint_async(EndpointName=endpoint, InputLocation=f"s3://{world.bucket}/nowhere")
    for asked, words in ((slow, "did not answer within 2"), (late, "expired"), (gone, "Failed to download the input")):
        failure = _seen(world, asked["FailureLocation"])
        assert words in failure["Body"].read().decode()


def test_requests_that_were_accepted_are_carried_out_by_the_next_life_of_the_cloud(world: World) -> None:
    endpoint = told.deploy(world, AsyncInferenceConfig=_config(world, most=1))
    asked = [_ask(world, endpoint, {"pause": 0.4}) for _ in range(4)]
    world.stop()
    world.start()
    for each in asked:
        _seen(world, each["OutputLocation"])
    assert all(_object(world, each["FailureLocation"]) is None for each in asked)


def test_requests_wait_for_an_endpoint_without_instances_and_their_number_is_told(world: World) -> None:
    endpoint = told.deploy(world, AsyncInferenceConfig=_config(world))
    _scale(world, endpoint, 0)
    assert world.cloud.status()["endpoints"][endpoint]["servers"] == 0
    asked = [_ask(world, endpoint, {}) for _ in range(3)]
    until(lambda: told.metric(world, "ApproximateBacklogSize", EndpointName=endpoint)["Maximum"] == 3)
    until(lambda: told.metric(world, "HasBacklogWithoutCapacity", EndpointName=endpoint)["Maximum"] == 1)
    _scale(world, endpoint, 1)
    for each in asked:
        _seen(world, each["OutputLocation"])


@pytest.mark.parametrize("spelled", [str.lower, str.upper])
def test_a_deleted_endpoint_takes_its_queue_along_though_another_one_has_its_name_at_once(
    world: World, spelled: Callable[[str], str]
) -> None:
    endpoint = told.deploy(world, AsyncInferenceConfig=_config(world))
    _scale(world, endpoint, 0)
    old = [_ask(world, endpoint, {}) for _ in range(4)]
    seen = _queued(world, endpoint)
    world.sagemaker.delete_endpoint(EndpointName=endpoint)
    again = spelled(endpoint)
    until(lambda: _made_again(world, again, config=endpoint))
    assert (len(seen), _queued(world, endpoint)) == (4, [])
    assert world.settled(again)["EndpointStatus"] == "InService"
    queue = world.cloud._queue  # noqa: SLF001 - it may have seen the old ones just before they went
    for row in seen:
        queue._advance(again, [row])  # noqa: SLF001  what it does with a row that it saw before
    _seen(world, _ask(world, again, {})["OutputLocation"])
    until(lambda: not queue._busy)  # noqa: SLF001  it has nothing to tell
    assert [_object(world, each["OutputLocation"]) for each in old] == [None] * 4


def test_a_request_whose_endpoint_goes_in_this_very_moment_is_refused_and_not_left_behind(world: World) -> None:
    request = Request("InvokeEndpointAsync", "has-just-gone", {}, b"x")
    with pytest.raises(SageMakerError, match="has-just-gone"):
        world.cloud._queue.accept(request, _config(world))  # noqa: SLF001 - its route was there when it came
    assert not _queued(world, "has-just-gone")


def _queued(world: World, endpoint: str) -> list[Row]:
    condition, values = "kind = ? AND grouped = ?", ("async-inference", endpoint)
    return world.cloud._ground.store.select(condition, values)  # noqa: SLF001 - nobody tells it


def _made_again(world: World, endpoint: str, config: str) -> bool:
    try:
        world.sagemaker.create_endpoint(EndpointName=endpoint, EndpointConfigName=config)
    except ClientError as error:
        assert "Cannot create already existing endpoint" in str(error)  # noqa: PT017 - of the one that is Deleting
        return False
    return True


def _scale(world: World, endpoint: str, count: int) -> None:
    wanted = [{"VariantName": "main", "DesiredInstanceCount": count}]
    world.sagemaker.update_endpoint_weights_and_capacities(EndpointName=endpoint, DesiredWeightsAndCapacities=wanted)
    world.settled(endpoint)


def test_names_of_answers_may_be_chosen_and_a_small_input_comes_along(world: World) -> None:
    endpoint = told.deploy(world, AsyncInferenceConfig=_config(world))
    asked = world.runtime.invoke_endpoint_async(
        EndpointName=endpoint, Body=order(hold=1), S3OutputPathExtension="some/folder", Filename="mine.json"
    )
    assert asked["OutputLocation"] == f"s3://{world.bucket}/answers/some/folder/mine.json"
    answer = _seen(world, asked["OutputLocation"])
    assert json.loads(answer["Body"].read())["held"] == 1 << 20


def test_an_answer_that_has_no_place_is_a_failure_and_is_not_asked_for_again_and_again(
    world: World, topics: dict[str, Any]
) -> None:
    config = _config(world, topics)
    config["OutputConfig"]["S3OutputPath"] = "s3://there-is-none/answers"
    endpoint = told.deploy(world, AsyncInferenceConfig=config)
    asked = _ask(world, endpoint, {})
    assert "NoSuchBucket" in _seen(world, asked["FailureLocation"])["Body"].read().decode()
    assert _message(world, topics, "ErrorTopic")["invocationStatus"] == "Failed"


def test_a_failure_that_has_no_place_leaves_the_queue(world: World) -> None:
    config = _config(world)
    config["OutputConfig"] = {"S3OutputPath": "s3://No_Bucket!/answers", "S3FailurePath": "s3://there-is-none/failures"}
    endpoint = told.deploy(world, AsyncInferenceConfig=config)
    _ask(world, endpoint, {})
    until(lambda: told.metric(world, "InvocationFailures", EndpointName=endpoint)["Sum"] == 1)
    assert not world.cloud._ground.store.select("kind = ?", ("async-inference",))  # noqa: SLF001 - nobody tells it


@pytest.mark.parametrize("seconds", ["soon", "-1", "\xb2", "9" * 5000, "59"])
def test_a_time_that_is_none_is_refused(world: World, seconds: str) -> None:
    connection = http.client.HTTPConnection(world.sagemaker.meta.endpoint_url.removeprefix("http://"))
    headers = {"X-Amzn-SageMaker-RequestTTLSeconds": seconds.encode("latin-1")}
    connection.request("POST", "/endpoints/any/async-invocations", b"x", headers)
    assert connection.getresponse().status == 400
    connection.close()


def test_each_kind_of_endpoint_is_asked_in_its_own_way(world: World) -> None:
    queued, direct = told.deploy(world, AsyncInferenceConfig=_config(world)), told.deploy(world)
    with pytest.raises(ClientError, match="use InvokeEndpointAsync"):
        world.invoke(queued, order())
    with pytest.raises(ClientError, match="is not an asynchronous endpoint"):
        _ask(world, direct, {})
    with pytest.raises(ClientError, match="takes either InputLocation or Body"):
        world.runtime.invoke_endpoint_async(EndpointName=queued)
    with pytest.raises(ClientError, match="at 'inputLocation' is no place in S3"):
        world.runtime.invoke_endpoint_async(EndpointName=queued, InputLocation="https://some.example/input")
    with pytest.raises(ClientError, match="is real-time and cannot be updated to be asynchronous"):
        world.sagemaker.update_endpoint(EndpointName=direct, EndpointConfigName=queued)
    with pytest.raises(ClientError, match="S3OutputPath is needed"):
        told.config(world, AsyncInferenceConfig={"OutputConfig": {}})


def test_an_answer_may_lie_under_a_name_that_no_header_can_carry(world: World) -> None:
    config = _config(world)
    config["OutputConfig"]["S3OutputPath"] = f"s3://{world.bucket}/\u65e5\u672c \u20ac/answers"
    answer = _ask(world, told.deploy(world, AsyncInferenceConfig=config), {"pieces": ["said"]})
    place = unquote(answer["OutputLocation"])
    assert place.startswith(config["OutputConfig"]["S3OutputPath"])
    assert _seen(world, place)["Body"].read() == b"said"
