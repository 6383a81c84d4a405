"""DynamoDB and SageMaker's runtime on a loopback port, as far as inference asks them; a test scripts what they say."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Asked:
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: tuple[str, int]


@dataclass(frozen=True)
class Says:
    """What the stub answers: `hang_up` before a byte of it, `late` by so many seconds (or when the stub ends)."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    hang_up: bool = False
    close_after: bool = False
    late: float = 0.0


def says(document: object, status: int = 200, **headers: str) -> Says:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Says(status, {"content-type": "application/json", **named}, json.dumps(document).encode())


SERVING: dict[str, Any] = {
    "pipeline": "digits",
    "live": True,
    "endpoint": "dropforge-dev-digits-realtime",
    "run": "v1" + "ab" * 32,
    "model_version": 3,
    "exact": True,
    "accept": ["image/png", "image/jpeg"],
    "labels": ["0", "1", "2"],
    "top_k": 2,
    "title": None,
}


class AwsStub:
    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {"serving#digits": SERVING}
        self.table: Callable[[Asked], Says] = self._get_item
        self.model: Callable[[Asked], Says] = lambda _: says([0.1, 0.7, 0.2], x_amzn_invoked_production_variant="main")
        self.asked: list[Asked] = []
        self.ended = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def env(self) -> dict[str, str]:
        return {
            "AWS_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            "AWS_SESSION_TOKEN": "a/session+token==",
            "DROPFORGE_TABLE": "dropforge-dev-Table",
            "DROPFORGE_STAGE": "dev",
        }

    def invocations(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.path.startswith("/endpoints/")]

    def reads(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.path == "/"]

    def answer(self, asked: Asked) -> Says:
        self.asked.append(asked)
        return self.table(asked) if asked.path == "/" else self.model(asked)

    def close(self) -> None:
        self.ended.set()
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()

    def _get_item(self, asked: Asked) -> Says:
        document = self.items.get(json.loads(asked.body)["Key"]["pk"]["S"])
        return says({} if document is None else {"Item": {"doc": {"S": json.dumps(document)}}})


@contextmanager
def aws_stub() -> Iterator[AwsStub]:
    stub = AwsStub()
    try:
        yield stub
    finally:
        stub.close()


def _handler(stub: AwsStub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        timeout = 5  # a kept connection that nobody closes ends with the test

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            said = stub.answer(Asked(self.path, headers, body, self.client_address))
            self.close_connection = said.hang_up or said.close_after
            if said.late:
                stub.ended.wait(said.late)
            if not said.hang_up:
                with suppress(ConnectionError):  # who asked may have stopped waiting
                    self._send(said)

        def _send(self, said: Says) -> None:
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(said.body)))
            self.end_headers()
            self.wfile.write(said.body)

        def log_message(self, *_: object) -> None:
            """Keep the tests' output to the tests."""

    return Handler
