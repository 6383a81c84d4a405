from __future__ import annotations

import base64
import http.client
import json
import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropforge.local.functions.worker import Answer
from dropforge.local.gateway.events import response_of
from dropforge.local.gateway.routes import Routes
from dropforge.local.stack_reading import Route
from tests.local.door import Door


def test_a_request_becomes_a_proxy_event_as_api_gateway_builds_it(door: Door) -> None:
    before = time.time()
    status, headers, body = door.call("GET", "/api/v1/echo/a%20b%2Fc?x=1&y=%C3%BC+&x=2", headers={"User-Agent": "me"})
    [(function, event)] = door.functions.events
    assert (status, headers["content-type"], json.loads(body)) == (200, "application/json", "/v1/echo/a b/c")
    assert function == "open"
    assert event["resource"] == "/v1/echo/{name}"
    assert event["httpMethod"] == "GET"
    assert event["pathParameters"] == {"name": "a b/c"}
    assert event["queryStringParameters"] == {"x": "2", "y": "ü "}
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"], "y": ["ü "]}
    assert event["headers"]["User-Agent"] == "me"
    assert event["multiValueHeaders"]["Host"] == [f"127.0.0.1:{door.port}"]
    assert event["headers"]["X-Forwarded-For"] == "127.0.0.1"
    assert (event["body"], event["isBase64Encoded"], event["stageVariables"]) == (None, False, None)
    context = event["requestContext"]
    assert context["requestId"] == headers["x-amzn-requestid"]
    assert context["identity"]["sourceIp"] == "127.0.0.1"
    assert context["identity"]["userAgent"] == "me"
    assert (context["stage"], context["apiId"], context["resourcePath"]) == ("api", "abc123", "/v1/echo/{name}")
    assert int(before * 1000) <= context["requestTimeEpoch"] <= time.time() * 1000


def test_a_request_without_a_query_has_null_for_it(door: Door) -> None:
    door.call("GET", "/api/v1/health")
    [(_, event)] = door.functions.events
    assert event["queryStringParameters"] is None
    assert event["multiValueQueryStringParameters"] is None
    assert event["pathParameters"] is None


@pytest.mark.parametrize("content_type", ["image/png", "Image/PNG", "image/png; charset=x"])
def test_a_binary_body_arrives_in_base64(door: Door, content_type: str) -> None:
    body = bytes(range(256))
    door.call("POST", "/api/v1/echo/x", body, {"Content-Type": content_type})
    [(_, event)] = door.functions.events
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == body


def test_a_body_of_another_type_arrives_as_text(door: Door) -> None:
    door.call("POST", "/api/v1/echo/x", "größe".encode(), {"Content-Type": "text/plain"})
    [(_, event)] = door.functions.events
    assert (event["isBase64Encoded"], event["body"]) == (False, "größe")


def test_a_body_in_chunks_arrives_whole(door: Door) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=60)
    chunks = iter([b"one", b"two", b"three"])
    connection.request(
        "POST", "/api/v1/echo/x", body=chunks, headers={"Content-Type": "text/plain"}, encode_chunked=True
    )
    assert connection.getresponse().status == 200
    connection.close()
    [(_, event)] = door.functions.events
    assert event["body"] == "onetwothree"


def test_a_binary_answer_is_decoded(door: Door) -> None:
    encoded = base64.b64encode(bytes(range(256))).decode()
    door.functions.say(
        {"statusCode": 201, "body": encoded, "isBase64Encoded": True, "headers": {"Content-Type": "image/png"}}
    )
    status, headers, body = door.call("GET", "/api/v1/health")
    assert (status, headers["content-type"], body) == (201, "image/png", bytes(range(256)))


def test_headers_with_several_values_are_all_sent(door: Door) -> None:
    door.functions.say(
        {
            "statusCode": 200,
            "body": "",
            "headers": {"X-One": 1, "X-On": True},
            "multiValueHeaders": {"Link": ["a", "b"]},
        }
    )
    connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=60)
    connection.request("GET", "/api/v1/health")
    answer = connection.getresponse()
    assert answer.headers.get_all("Link") == ["a", "b"]
    assert (answer.headers["X-One"], answer.headers["X-On"]) == ("1", "true")
    connection.close()


def test_a_function_that_takes_too_long_is_a_gateway_timeout(impatient_door: Door) -> None:
    release = threading.Event()

    def wait(_event: Any) -> Answer:
        release.wait(60)
        return Answer(b"{}", failed=False)

    impatient_door.functions.answer = wait
    status, _, body = impatient_door.call("GET", "/api/v1/health")
    release.set()
    impatient_door.functions.forget()
    assert (status, json.loads(body)["message"]) == (504, "Endpoint request timed out")


@pytest.mark.parametrize(
    "answer",
    [
        {"errorMessage": "secret stack trace"},
        {"statusCode": "ok"},
        {"statusCode": 200, "body": {"not": "text"}},
        {"statusCode": 200, "body": "not base64!", "isBase64Encoded": True},
        {"statusCode": 99, "body": ""},
        {"statusCode": 200, "headers": {"bad name": "x"}},
        {"statusCode": 200, "headers": ["x"]},
        "text",
        None,
        [],
    ],
)
def test_an_answer_that_is_no_proxy_answer_is_a_bad_gateway_without_details(door: Door, answer: Any) -> None:
    door.functions.say(answer)
    status, _, body = door.call("GET", "/api/v1/health")
    assert (status, body) == (502, b'{"message":"Internal server error"}')


def test_a_header_cannot_smuggle_another(door: Door) -> None:
    door.functions.say({"statusCode": 200, "body": "ok", "headers": {"X-A": "1\r\nX-B: 2", "Content-Length": "0"}})
    status, headers, body = door.call("GET", "/api/v1/health")
    assert (status, body) == (200, b"ok")
    assert "x-b" not in headers


@pytest.mark.parametrize(
    ("method", "path", "resource"),
    [
        ("GET", "/a/b", "/a/b"),
        ("GET", "/a/c", "/a/{x}"),
        ("POST", "/a/c", "/a/{x}"),
        ("GET", "/a/b/c/d", "/{proxy+}"),
        ("GET", "/a", "/{proxy+}"),
        ("GET", "/a/", "/{proxy+}"),
    ],
)
def test_the_most_special_route_wins(method: str, path: str, resource: str) -> None:
    paths = [("/{proxy+}", "ANY"), ("/a/{x}", "ANY"), ("/a/{x}", "GET"), ("/a/b", "GET")]
    routes = Routes([Route(path, method, "f", signed=False, key_required=False) for path, method in paths])
    match = routes.find(method, path)
    assert match is not None
    assert match.route.path == resource


@given(
    st.binary(max_size=200)
    | st.dictionaries(
        st.sampled_from(["statusCode", "body", "headers", "multiValueHeaders", "isBase64Encoded"]),
        st.none() | st.integers() | st.text() | st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
    ).map(lambda x: json.dumps(x).encode())
)
def test_any_answer_of_a_function_is_a_response_or_none(payload: bytes) -> None:
    response = response_of(payload)
    assert response is None or 100 <= response.status < 600
