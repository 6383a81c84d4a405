"""Mail to those who asked for it: an SNS topic, and a webhook whose secret lies in the Parameter Store."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from socket import SHUT_RDWR
from urllib.parse import urlsplit

from chalicelib.aws.clients import Clients, shared
from chalicelib.aws.errors import translated
from chalicelib.errors import RefusedError, UnavailableError
from chalicelib.settings import Settings, is_forbidden

SECONDS = 5.0
"""For a webhook to answer: connecting, sending and waiting together."""


class Mail:
    def __init__(self, settings: Settings, clients: Clients | None = None, seconds: float = SECONDS) -> None:
        self._clients = clients or shared(settings.region)
        self._settings = settings
        self._seconds = seconds

    def publish(self, text: str, *, subject: str, attributes: Mapping[str, str]) -> None:
        named = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
        with translated():
            self._clients.get("sns").publish(
                TopicArn=self._settings.topic, Message=text, Subject=subject, MessageAttributes=named
            )

    def post(self, body: bytes, headers: Mapping[str, str]) -> int:
        """Post once: a redirect is an answer like any other, so the body goes to nobody but who was named."""
        url = urlsplit(self._settings.webhook or "")
        kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
        connection = kind(url.hostname or "", url.port, timeout=self._seconds)
        try:
            with _ending(connection, self._seconds):
                connection.connect()
                _check_peer(connection)
                connection.request(
                    "POST", (url.path or "/") + (f"?{url.query}" if url.query else ""), body, dict(headers)
                )
                return connection.getresponse().status
        except (OSError, HTTPException) as error:
            raise UnavailableError(f"The webhook does not answer ({type(error).__name__}).") from error
        finally:
            connection.close()

    def secret(self) -> str:
        with translated():
            found = self._clients.get("ssm").get_parameter(Name=self._settings.webhook_secret, WithDecryption=True)
        return str(found["Parameter"]["Value"])


@contextmanager
def _ending(connection: HTTPConnection, seconds: float) -> Iterator[None]:
    """Hang up when the time is over: a socket's own time-out begins anew with each byte."""
    over = threading.Event()

    def hang_up() -> None:
        over.set()
        with suppress(OSError, AttributeError):  # it is not there yet, or not any more
            connection.sock.shutdown(SHUT_RDWR)

    timer = threading.Timer(seconds, hang_up)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    if over.is_set():  # what came by then was cut off, and may look like an answer
        raise TimeoutError


def _check_peer(connection: HTTPConnection) -> None:
    """Refuse what the settings refuse by its name where a name leads to it all the same."""
    address = str(connection.sock.getpeername()[0])
    if is_forbidden(ip_address(address)):
        raise RefusedError(f"The webhook's host is at {address}, where only the machine's own metadata is.")
