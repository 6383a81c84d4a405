"""What goes to a container and comes back: headers, sessions, streams."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import ClientError, EventStreamError
from hypothesis import given
from hypothesis import strategies as st

from dropforge.local.sagemaker.hosting import streams
from dropforge.local.sagemaker.hosting.serving import Server
from tests.local.sagemaker import told
from tests.local.sagemaker.told import order
from tests.local.sagemaker.world import World, until


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, neighbours: int) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("home"), neighbours, told.IMAGES)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def endpoint(world: World) -> str:
    return told.deploy(world, {**told.ON_INSTANCE, "InitialInstanceCount": 2})


def _stream(world: World, endpoint: str, **what: Any) -> dict[str, Any]:
    answer: dict[str, Any] = world.runtime.invoke_endpoint_with_response_stream(
        EndpointName=endpoint, Body=order(**what)
    )
    return answer


def _parts(answer: dict[str, Any]) -> Iterator[bytes]:
    return (event["PayloadPart"]["Bytes"] for event in answer["Body"])


def test_all_that_a_container_may_be_told_reaches_it(world: World, endpoint: str) -> None:
    answer = world.runtime.invoke_endpoint(
        EndpointName=endpoint,
        Body=order(),
        ContentType="a/b",
        Accept="c/d",
        CustomAttributes="x" * 1024,
        InferenceId="7 up",
    )
    heard = {name.lower(): value for name, value in json.loads(answer["Body"].read())["headers"].items()}
    assert (heard["content-type"], heard["accept"]) == ("a/b", "c/d")
    assert heard["x-amzn-sagemaker-custom-attributes"] == "x" * 1024
    assert heard["x-amzn-sagemaker-inference-id"] == "7 up"
    assert not {"authorization", "x-amz-date"} & heard.keys()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"CustomAttributes": "x" * 1025}, "length less than or equal to 1024"),
        ({"InferenceId": "x" * 65}, "length less than or equal to 64"),
        ({"TargetVariant": "other"}, "Variant other not found"),
        ({"InferenceComponentName": "one"}, "InferenceComponentName is not in the local cloud"),
        ({"TargetContainerHostname": "one"}, "TargetContainerHostname is not in the local cloud"),
        ({"TargetModel": "one.tar.gz"}, "TargetModel is not in the local cloud"),
        ({"EnableExplanations": "`true`"}, "EnableExplanations is not in the local cloud"),
        ({"SessionId": "nobody"}, "Session nobody of endpoint"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_by_name(
    world: World, endpoint: str, asked: dict[str, str], words: str
) -> None:
    with pytest.raises(ClientError, match=words) as refused:
        world.runtime.invoke_endpoint(EndpointName=endpoint, Body=order(), **asked)
    assert refused.value.response["Error"]["Code"] == "ValidationError"


def test_an_answer_that_is_too_large_is_a_model_error_and_says_so(world: World, endpoint: str) -> None:
    headers = {"Transfer-Encoding": "", "Content-Length": str(1 << 35)}
    with pytest.raises(world.runtime.exceptions.ModelError, match="no whole answer: the answer is larger than"):
        world.invoke(endpoint, order(headers=headers, then="break"))


def test_a_session_stays_with_the_server_that_opened_it_until_it_is_closed(world: World, endpoint: str) -> None:
    until(lambda: world.busy(endpoint) == 0)  # of other tests, so that both servers can be had
    opened = {"X-Amzn-SageMaker-New-Session-Id": "mine; Expires=2100-01-01T00:00:00Z"}
    answer = world.runtime.invoke_endpoint(EndpointName=endpoint, Body=order(headers=opened), SessionId="NEW_SESSION")
    assert answer["NewSessionId"] == "mine; Expires=2100-01-01T00:00:00Z"
    server = json.loads(answer["Body"].read())["server"]
    until(lambda: json.loads(world.invoke(endpoint, order()))["server"] != server)
    asked = [json.loads(world.invoke(endpoint, order(), SessionId="mine")) for _ in range(6)]
    assert {each["server"] for each in asked} == {server}
    assert "mine" in asked[0]["headers"].values()
    closed = order(headers={"X-Amzn-SageMaker-Closed-Session-Id": "mine"})
    assert (
        world.runtime.invoke_endpoint(EndpointName=endpoint, Body=closed, SessionId="mine")["ClosedSessionId"] == "mine"
    )
    with pytest.raises(ClientError, match="Session mine"):
        world.invoke(endpoint, order(), SessionId="mine")


def test_a_session_that_has_expired_is_there_no_more(world: World, endpoint: str) -> None:
    opened = {"X-Amzn-SageMaker-New-Session-Id": "brief; Expires=2000-01-01T00:00:00Z"}
    world.runtime.invoke_endpoint(EndpointName=endpoint, Body=order(headers=opened), SessionId="NEW_SESSION")
    with pytest.raises(ClientError, match=f"Session brief of endpoint {endpoint} not found") as refused:
        world.invoke(endpoint, order(), SessionId="brief")
    assert refused.value.response["Error"]["Code"] == "ValidationError"


def test_an_answer_comes_in_the_parts_in_which_the_container_writes_it(world: World, endpoint: str) -> None:
    answer = _stream(world, endpoint, pieces=["one", "two", "three"])
    assert (answer["ContentType"], answer["InvokedProductionVariant"]) == ("text/x-told", "main")
    assert b"".join(_parts(answer)) == b"onetwothree"


def test_the_first_part_is_there_before_the_last_is_written(impatient: World) -> None:
    parts = _parts(_stream(impatient, told.deploy(impatient), pieces=["early"], then="hang"))
    assert next(parts) == b"early"
    with pytest.raises(EventStreamError, match="timed out"):
        next(parts)


def test_a_stream_that_breaks_is_told_inside_it_and_the_next_request_is_served(world: World, endpoint: str) -> None:
    parts = _parts(_stream(world, endpoint, pieces=["some"], then="break"))
    assert next(parts) == b"some"
    with pytest.raises(EventStreamError, match="ModelStreamError") as broken:
        next(parts)
    assert broken.value.response["Error"]["Code"] == "ModelStreamError"
    assert json.loads(world.invoke(endpoint, order()))["held"] == 0


def test_a_container_that_refuses_to_stream_is_a_model_error_with_its_words(world: World, endpoint: str) -> None:
    with pytest.raises(world.runtime.exceptions.ModelError) as refused:
        _stream(world, endpoint, status=503, pieces=["not today"])
    assert (refused.value.response["OriginalStatusCode"], refused.value.response["OriginalMessage"]) == (
        503,
        "not today",
    )


def test_a_large_answer_streams_whole(world: World, endpoint: str) -> None:
    assert sum(map(len, _parts(_stream(world, endpoint, pieces=["x" * 1_500_000] * 4)))) == 6_000_000


def test_a_server_that_has_just_ended_is_asked_nothing_and_another_one_answers(world: World) -> None:
    endpoint = told.deploy(world)
    fleet = world.cloud._rollout._routes[endpoint].first  # noqa: SLF001 - the moment before it is noticed
    up = list(fleet.servers)
    gone = [Server(world.cloud._ground, endpoint, {"name": "main"}) for _ in range(3)]  # noqa: SLF001 - never started
    for server in gone:
        server.up.set()
        server.healthy = True
    fleet.servers[:] = [*gone[:2], *up]
    assert json.loads(world.invoke(endpoint, order()))["held"] == 0
    fleet.servers[:] = [gone[2], *up]
    assert b"".join(_parts(_stream(world, endpoint, pieces=["some"]))) == b"some"
    fleet.servers[:] = gone
    with pytest.raises(world.runtime.exceptions.ServiceUnavailable):
        world.invoke(endpoint, order())
    fleet.servers[:] = up
    assert not any(server.in_flight or server.healthy for server in gone)
    world.invoke(endpoint, order())
    counted = until(lambda: found if (found := _invocations(world, endpoint)) > 2 else None)
    assert counted == 3


def test_a_server_is_given_back_whatever_comes_of_a_request(world: World, endpoint: str) -> None:
    for failing in ({"status": 500}, {"then": "break", "pieces": ["some"]}):
        with pytest.raises(world.runtime.exceptions.ModelError):
            world.invoke(endpoint, order(**failing))
    servers = world.cloud._rollout._routes[endpoint].first.servers  # noqa: SLF001  who is busy shows nowhere else
    until(lambda: not any(server.in_flight for server in servers))


def _invocations(world: World, endpoint: str) -> float:
    return told.metric(world, "Invocations", EndpointName=endpoint, VariantName="main")["Sum"]


def test_streams_hold_no_server_when_they_have_ended(world: World, endpoint: str) -> None:
    for then in ("", "break"):
        answer = _stream(world, endpoint, pieces=["some"], then=then)
        list(_ended(answer))
    # The last byte is out before the server is given back.
    until(lambda: world.busy(endpoint) == 0)


def _ended(answer: dict[str, Any]) -> Iterator[bytes]:
    try:
        yield from _parts(answer)
    except EventStreamError:
        return


@given(
    st.binary(max_size=2_000),
    st.dictionaries(st.text("abc-", min_size=1, max_size=20), st.text(max_size=40), max_size=4),
)
def test_a_message_is_read_by_botocore_as_it_was_framed(payload: bytes, headers: dict[str, str]) -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(streams.message(headers, payload))
    (event,) = list(buffer)
    assert (event.headers, event.payload) == (headers, payload)
