from __future__ import annotations

import base64
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from dropforge.local.functions.worker import Answer
from dropforge.local.gateway.app import EVENT_LIMIT, REQUEST_LIMIT, Gateway
from dropforge.local.gateway.events import response_of
from dropforge.local.gateway.routes import Routes
from dropforge.local.home import REGION, Home, Keys
from dropforge.local.serving import Server
from dropforge.local.stack_reading import Api, GatewayResponse, Route

KEYS = Keys("LOCALKEY", "secret")
PROBLEM = (
    '{"code":"$context.error.responseType","detail":$context.error.messageString,"request_id":"$context.requestId"}'
)
API = Api(
    id="abc123",
    stage="api",
    routes=(
        Route("/v1/health", "GET", "open", signed=False, key_required=False),
        Route("/v1/echo/{name}", "ANY", "open", signed=False, key_required=False),
        Route("/v1/runs/{run}", "GET", "operators", signed=True, key_required=False),
        Route("/v1/models/{model}/predict", "POST", "clients", signed=False, key_required=True),
    ),
    binary_types=frozenset({"image/png", "image/webp"}),
    responses={
        "MISSING_AUTHENTICATION_TOKEN": GatewayResponse(
            404, {"application/json": PROBLEM}, {"Content-Type": "'application/problem+json'"}
        ),
        "DEFAULT_4XX": GatewayResponse(None, {"application/json": PROBLEM}, {"X-Family": "'4xx'"}),
    },
    keys={"client-key": "key-id"},
)


def path_of(event: Any) -> Answer:
    return Answer(json.dumps({"statusCode": 200, "body": json.dumps(event["path"])}).encode(), failed=False)


@dataclass
class Functions:
    """Answers invocations, and keeps the events."""

    events: list[tuple[str, Any]] = field(default_factory=list)
    answer: Callable[[Any], Answer] = path_of

    def forget(self) -> None:
        self.events.clear()
        self.answer = path_of

    def __call__(self, function: str, payload: bytes, _patience: float) -> Answer:
        event = json.loads(payload)
        self.events.append((function, event))
        return self.answer(event)

    def say(self, answer: Any, *, failed: bool = False) -> None:
        payload = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.answer = lambda _event: Answer(payload, failed)


@dataclass
class Door:
    """The gateway, served on a port of its own."""

    port: int
    functions: Functions

    def call(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        result = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        connection.close()
        return result

    def sign(self, path: str, keys: Keys = KEYS) -> dict[str, str]:
        request = AWSRequest("GET", f"http://127.0.0.1:{self.port}{path}")
        SigV4Auth(Credentials(keys.access, keys.secret), "execute-api", REGION).add_auth(request)
        return dict(request.headers)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    functions = Functions()
    gateway = Gateway(API, functions, KEYS, within=1.5)
    server = Server(gateway.asgi, Home(tmp_path_factory.mktemp("home")).listen("api"), name="test", headers_within=0.5)
    server.start()
    yield Door(server.port, functions)
    server.stop()
    gateway.stop()


@pytest.fixture
def door(served: Door) -> Door:
    served.functions.forget()
    return served


def test_a_request_becomes_a_proxy_event_as_api_gateway_builds_it(door: Door) -> None:
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
    assert abs(context["requestTimeEpoch"] / 1000 - time.time()) < 10


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
    connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=10)
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
    connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=10)
    connection.request("GET", "/api/v1/health")
    answer = connection.getresponse()
    assert answer.headers.get_all("Link") == ["a", "b"]
    assert (answer.headers["X-One"], answer.headers["X-On"]) == ("1", "true")
    connection.close()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/nothing"),
        ("GET", "/api/v1/health/more"),
        ("POST", "/api/v1/health"),
        ("GET", "/api/v1/runs/r1"),
        ("GET", "/other/v1/health"),
        ("GET", "/"),
        ("OPTIONS", "/api/v1/health"),
        ("DELETE", "/api/v1/models/m/predict"),
    ],
)
def test_an_unknown_path_or_method_and_an_unsigned_call_get_one_and_the_same_answer(
    door: Door, method: str, path: str
) -> None:
    status, headers, body = door.call(method, path)
    assert (status, headers["content-type"]) == (404, "application/problem+json")
    assert json.loads(body) == {
        "code": "MISSING_AUTHENTICATION_TOKEN",
        "detail": "Missing Authentication Token",
        "request_id": headers["x-amzn-requestid"],
    }
    assert not door.functions.events


def test_a_head_request_for_an_unknown_path_has_no_body(door: Door) -> None:
    status, _, body = door.call("HEAD", "/api/v1/nothing")
    assert (status, body) == (404, b"")


def test_a_case_without_a_response_of_its_own_takes_its_family_s(door: Door) -> None:
    status, headers, body = door.call("POST", "/api/v1/models/m/predict", b"x")
    assert (status, headers["x-family"], json.loads(body)["code"]) == (403, "4xx", "INVALID_API_KEY")


def test_a_case_of_which_the_template_says_nothing_is_answered_as_by_default(door: Door) -> None:
    door.functions.say(b"{}", failed=True)
    assert door.call("GET", "/api/v1/health")[::2] == (502, b'{"message":"Internal server error"}')


@pytest.mark.parametrize("key", ["", "wrong", "client-key2"])
def test_a_wrong_api_key_is_refused(door: Door, key: str) -> None:
    status, _, _ = door.call("POST", "/api/v1/models/m/predict", b"x", {"x-api-key": key})
    assert status == 403
    assert not door.functions.events


def test_the_right_api_key_opens_and_is_named_in_the_event(door: Door) -> None:
    status, _, _ = door.call("POST", "/api/v1/models/m/predict", b"x", {"X-API-Key": "client-key"})
    [(function, event)] = door.functions.events
    identity = event["requestContext"]["identity"]
    assert (status, function) == (200, "clients")
    assert (identity["apiKey"], identity["apiKeyId"]) == ("client-key", "key-id")


def test_a_signed_call_opens_the_operators_door_and_a_wrong_signature_does_not(door: Door) -> None:
    path = "/api/v1/runs/r%201?a=b%20c"
    assert door.call("GET", path, headers=door.sign(path))[0] == 200
    assert door.call("GET", path, headers=door.sign(path, Keys("LOCALKEY", "wrong")))[0] == 403
    assert door.call("GET", path, headers={"Authorization": "Bearer x"})[0] == 403
    assert len(door.functions.events) == 1


def test_a_body_above_ten_megabytes_is_too_large_and_the_client_hears_it(door: Door) -> None:
    status, _, body = door.call("POST", "/api/v1/echo/x", b"x" * (REQUEST_LIMIT + 1))
    assert (status, json.loads(body)["code"]) == (413, "REQUEST_TOO_LARGE")


def test_a_body_whose_base64_passes_lambda_s_limit_is_too_large(door: Door) -> None:
    headers = {"Content-Type": "image/png"}
    assert door.call("POST", "/api/v1/echo/x", bytes(EVENT_LIMIT * 3 // 4 + 1), headers)[0] == 413
    assert door.call("POST", "/api/v1/echo/x", bytes(4_400_000), headers)[0] == 200


def test_a_refused_client_may_finish_sending(door: Door) -> None:
    assert door.call("POST", "/api/v1/nothing", bytes(3_000_000))[0] == 404


def test_a_function_that_takes_too_long_is_a_gateway_timeout(door: Door) -> None:
    release = threading.Event()

    def wait(_event: Any) -> Answer:
        release.wait(10)
        return Answer(b"{}", failed=False)

    door.functions.answer = wait
    status, _, body = door.call("GET", "/api/v1/health")
    release.set()
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


def test_calls_run_at_once(door: Door) -> None:
    together = threading.Barrier(8)

    def meet(_event: Any) -> Answer:
        together.wait(5)
        return Answer(b'{"statusCode": 204}', failed=False)

    door.functions.answer = meet
    with ThreadPoolExecutor(8) as hands:
        answers = list(hands.map(lambda _: door.call("GET", "/api/v1/health")[0], range(8)))
    assert answers == [204] * 8


def test_a_client_that_sends_slowly_keeps_nobody_else_waiting(door: Door) -> None:
    slow = [socket.create_connection(("127.0.0.1", door.port)) for _ in range(20)]
    for each in slow:
        each.sendall(b"POST /api/v1/echo/x HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nfirst")
    began = time.monotonic()
    assert door.call("GET", "/api/v1/health")[0] == 200
    assert time.monotonic() - began < 2
    for each in slow:
        each.close()


@pytest.mark.parametrize("before", [b"", b"GET /api/v1/health HTTP/1.1\r\nHost: h\r\n\r\n"])
def test_a_client_that_never_ends_its_headers_is_hung_up_on(door: Door, before: bytes) -> None:
    with socket.create_connection(("127.0.0.1", door.port), timeout=5) as raw:
        raw.sendall(before + b"GET /api/v1/health HTTP/1.1\r\nHost: ")
        received = b""
        while part := raw.recv(4096):
            received += part
    assert received.count(b"200 OK") == (1 if before else 0)


def test_a_client_between_two_requests_is_not(door: Door) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=10)
    connection.request("GET", "/api/v1/health")
    connection.getresponse().read()
    used = connection.sock
    assert door.call("GET", "/api/v1/echo/slow")[0] == 200
    threading.Event().wait(0.7)  # longer than headers may take
    connection.request("GET", "/api/v1/health")
    assert connection.getresponse().status == 200
    assert connection.sock is used
    connection.close()


def test_nonsense_on_the_wire_gets_no_stack_trace(door: Door) -> None:
    with socket.create_connection(("127.0.0.1", door.port), timeout=5) as raw:
        raw.sendall(b"\x00\x01 nonsense\r\n\r\n")
        answer = raw.recv(4096)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"Traceback" not in answer


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
