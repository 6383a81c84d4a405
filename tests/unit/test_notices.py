"""The signature of a webhook, and the adapter that posts: over a real socket, to this machine alone."""

from __future__ import annotations

import hashlib
import hmac
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.aws.mail import Mail
from chalicelib.decide import notice
from chalicelib.errors import UnavailableError
from chalicelib.settings import is_forbidden
from tests.fakes.world import SETTINGS


@given(st.binary(min_size=1), st.binary(), st.floats(0, 4e9))
def test_the_signature_is_over_the_time_and_the_body(secret: bytes, body: bytes, at: float) -> None:
    moment, digest = notice.signature(secret, body, at).split(",")
    expected = hmac.new(secret, f"{int(at)}.".encode() + body, hashlib.sha256).hexdigest()
    assert (moment, digest) == (f"t={int(at)}", f"v1={expected}")


@given(st.text(), st.text(), st.text())
def test_a_subject_is_what_sns_takes(kind: str, pipeline: str, state: str) -> None:
    subject = notice.subject(kind, pipeline, state)
    assert len(subject) < 100
    assert subject.isascii()


@contextmanager
def listening(status: int, **headers: str) -> Iterator[tuple[str, list[tuple[str, bytes, dict[str, str]]]]]:
    """Answer each POST so; gives the URL, and the requests as they come."""
    seen: list[tuple[str, bytes, dict[str, str]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, body, dict(self.headers.items())))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Keep the tests' output to the tests."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/hook?team=a", seen
        finally:
            server.shutdown()
            thread.join()


def post(url: str, seconds: float = 5) -> int:
    return Mail(replace(SETTINGS, webhook=url), seconds=seconds).post(b'{"a": 1}', {"Dropforge-Event-Id": "e1"})


def test_a_post_brings_body_and_headers_and_gives_the_status() -> None:
    with listening(204) as (url, seen):
        assert post(url) == 204
    ((path, body, headers),) = seen
    assert (path, body, headers["Dropforge-Event-Id"]) == ("/hook?team=a", b'{"a": 1}', "e1")


def test_a_redirect_is_followed_nowhere() -> None:
    with listening(200) as (other, elsewhere), listening(307, Location=other) as (url, seen):
        assert post(url) == 307
    assert (len(seen), elsewhere) == (1, [])


def test_nobody_there_is_unavailable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(UnavailableError, match="ConnectionRefused"):
            post(f"http://127.0.0.1:{taken.getsockname()[1]}/")


def test_one_who_never_answers_is_given_up() -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        with pytest.raises(UnavailableError):
            post(f"http://127.0.0.1:{mute.getsockname()[1]}/", seconds=0.2)


def test_one_who_answers_a_byte_at_a_time_is_given_up_too() -> None:
    done = threading.Event()

    def drip(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            while not done.wait(0.05):
                try:
                    connection.sendall(b"a")
                except OSError:
                    return

    with socket.socket() as slow:
        slow.bind(("127.0.0.1", 0))
        slow.listen()
        thread = threading.Thread(target=drip, args=(slow,))
        thread.start()
        try:
            with pytest.raises(UnavailableError):
                post(f"http://127.0.0.1:{slow.getsockname()[1]}/", seconds=0.3)
        finally:
            done.set()
            thread.join()


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "169.254.0.1", "fe80::1", "fd00:ec2::254", "::ffff:169.254.1.1"]
)
def test_link_local_and_metadata_addresses_are_forbidden(address: str) -> None:
    assert is_forbidden(ip_address(address))


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.0.0.1", "93.184.216.34", "fd00::1"])
def test_others_are_not(address: str) -> None:
    assert not is_forbidden(ip_address(address))
