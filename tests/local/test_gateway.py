from __future__ import annotations

import http.client
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from dropforge.local.functions.worker import Answer
from dropforge.local.gateway.app import EVENT_LIMIT, REQUEST_LIMIT
from dropforge.local.home import Keys
from tests.local.door import Door


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


def test_calls_run_at_once(door: Door) -> None:
    together = threading.Barrier(8)

    def meet(_event: Any) -> Answer:
        together.wait(60)
        return Answer(b'{"statusCode": 204}', failed=False)

    door.functions.answer = meet
    with ThreadPoolExecutor(8) as hands:
        answers = list(hands.map(lambda _: door.call("GET", "/api/v1/health")[0], range(8)))
    assert answers == [204] * 8


def test_a_client_that_sends_slowly_keeps_nobody_else_waiting(door: Door) -> None:
    slow = [socket.create_connection(("127.0.0.1", door.port)) for _ in range(20)]
    for each in slow:
        each.sendall(b"POST /api/v1/echo/x HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nfirst")
    assert door.call("GET", "/api/v1/health")[0] == 200
    for each in slow:
        each.close()


def _hung_up_on(door: Door, before: bytes = b"") -> bytes:
    """Begin headers and wait to be hung up on; gives what was answered until then."""
    received = b""
    with socket.create_connection(("127.0.0.1", door.port), timeout=60) as raw:
        raw.sendall(before + b"GET /api/v1/health HTTP/1.1\r\nHost: ")
        while part := raw.recv(4096):
            received += part
    return received


@pytest.mark.parametrize("before", [b"", b"GET /api/v1/health HTTP/1.1\r\nHost: h\r\n\r\n"])
def test_a_client_that_never_ends_its_headers_is_hung_up_on(impatient_door: Door, before: bytes) -> None:
    received = _hung_up_on(impatient_door, before)
    assert received.count(b"200 OK") == (1 if before else 0)


def test_a_client_that_asks_for_a_websocket_is_answered_as_anybody(door: Door) -> None:
    door.functions.say({"statusCode": 200, "body": "ok"})
    key = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13"}
    status, _, body = door.call("GET", "/api/v1/health", None, {"Connection": "Upgrade", "Upgrade": "websocket", **key})
    assert (status, body) == (200, b"ok")


def test_a_client_between_two_requests_is_not(impatient_door: Door) -> None:
    door = impatient_door
    connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=60)
    connection.request("GET", "/api/v1/health")
    connection.getresponse().read()
    used = connection.sock
    assert door.call("GET", "/api/v1/echo/slow")[0] == 200
    _hung_up_on(door)  # so long has the other one been there
    connection.request("GET", "/api/v1/health")
    assert connection.getresponse().status == 200
    assert connection.sock is used
    connection.close()


def test_nonsense_on_the_wire_gets_no_stack_trace(door: Door) -> None:
    with socket.create_connection(("127.0.0.1", door.port), timeout=30) as raw:
        raw.sendall(b"\x00\x01 nonsense\r\n\r\n")
        answer = raw.recv(4096)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"Traceback" not in answer
