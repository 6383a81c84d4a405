"""A stand-in for a cloud, as the command line sees one: a bucket's objects and an API's answers, both set by a test."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

Reply = tuple[int, Any]
Route = Reply | Callable[[Mapping[str, str]], Reply]
BUCKET = "stub-bucket"


@dataclass
class StubCloud:
    """`routes` answers GET and POST under /api; `objects` is the bucket. `on_put` may react to an upload."""

    home: Path
    routes: dict[str, Route] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    put: list[str] = field(default_factory=list)
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    posted: list[tuple[str, Any]] = field(default_factory=list)
    """Path and JSON body of each POST."""
    on_put: Callable[[str], None] = lambda _: None

    def answer(self, method: str, path: str, headers: dict[str, str]) -> Reply:
        url = urlsplit(path)
        self.seen.append((method, path, headers))
        route = self.routes.get(unquote(url.path))
        if route is None:
            return 404, problem(404, "not-found", f"There is nothing at {url.path}.")
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        return route(query) if callable(route) else route

    def says(self, name: str, **status: Any) -> None:
        self.objects[f"status/{name}.json"] = json.dumps(status | {"at": str(time.time())}).encode()


def problem(status: int, code: str, detail: str, *, retryable: bool = False) -> dict[str, Any]:
    return {"status": status, "code": code, "detail": detail, "request_id": "r-1", "retryable": retryable}


@contextmanager
def running(home: Path) -> Iterator[StubCloud]:
    """Serve a stub on a free port, with the cloud.json by which the command line finds it."""
    cloud = StubCloud(home)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"cloud": cloud}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    home.mkdir(parents=True, exist_ok=True)
    stage = {"stack": "dropforge-dev", "api": f"{address}/api", "api_key": "the-key", "bucket": BUCKET, "table": "t"}
    about = {"endpoint": address, "region": "us-east-1", "access_key": "local", "secret_key": "secret"}
    (home / "cloud.json").write_text(json.dumps(about | {"stages": {"dev": stage}}))
    try:
        yield cloud
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    cloud: StubCloud
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path.startswith("/api/"):
            self._api()
        elif "list-type=2" in self.path:
            self._send(200, _listing(self.cloud, parse_qs(urlsplit(self.path).query)["prefix"][0]))
        else:
            self._object()

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Type"] == "application/json":
            self.cloud.posted.append((unquote(urlsplit(self.path).path), json.loads(body)))
        self._api()

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.cloud.objects[self._key()] = body
        self.cloud.put.append(self._key())
        self.cloud.on_put(self._key())
        self._send(200, b"", ETag=f'"{md5(body, usedforsecurity=False).hexdigest()}"')

    def do_DELETE(self) -> None:
        self.cloud.objects.pop(self._key(), None)
        self._send(204, b"")

    def _api(self) -> None:
        status, said = self.cloud.answer(self.command, self.path, dict(self.headers.items()))
        self._send(status, json.dumps(said).encode())

    def _object(self) -> None:
        body = self.cloud.objects.get(self._key())
        if body is None:
            self._send(404, b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>")
        else:
            self._send(200, body)

    def _key(self) -> str:
        return unquote(urlsplit(self.path).path).removeprefix(f"/{BUCKET}/")

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Last-Modified", formatdate(usegmt=True))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        del args


def _listing(cloud: StubCloud, prefix: str) -> bytes:
    keys = sorted(key for key in cloud.objects if key.startswith(prefix))
    items = "".join(f"<Contents><Key>{escape(key)}</Key><Size>1</Size></Contents>" for key in keys)
    return f"<ListBucketResult><IsTruncated>false</IsTruncated>{items}</ListBucketResult>".encode()
