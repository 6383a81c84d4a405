"""A webhook as a user would write one: it checks the signature, and fails at the first try of each event."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "hush"


@dataclass
class Hook:
    url: str = ""
    tries: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Each event's bodies, in the order of its tries."""
    unsigned: list[str] = field(default_factory=list)

    def take(self, event: str, signature: str, body: bytes) -> int:
        told = dict(part.split("=", 1) for part in signature.split(","))
        expected = hmac.new(SECRET.encode(), told["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, told["v1"]):
            self.unsigned.append(event)
        tries = self.tries.setdefault(event, [])
        tries.append(json.loads(body))
        return 500 if len(tries) == 1 else 200

    def tried(self, pipeline: str, kind: str, state: str) -> list[list[dict[str, Any]]]:
        """Give the tries of each event that tells of this."""
        wanted = {"pipeline": pipeline, "state": state}
        return [
            tries
            for tries in self.tries.values()
            if tries[0]["detail-type"] == kind and wanted.items() <= tries[0]["detail"].items()
        ]


@contextmanager
def listening() -> Iterator[Hook]:
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(hook.take(self.headers["Dropforge-Event-Id"], self.headers["Dropforge-Signature"], body))
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Keep the tests' output to the tests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        hook.url = f"http://127.0.0.1:{server.server_address[1]}/"
        try:
            yield hook
        finally:
            server.shutdown()
            thread.join()
