"""One kept connection to one AWS host, spoken to with signed POSTs under a deadline.

A call is one attempt. Only where a kept connection turns out to be dead before a byte of an answer came, it is made
once more, on a new connection: Lambda freezes us between calls, and hosts close what idles.
"""

from __future__ import annotations

import http.client
import select
from collections.abc import Callable, Mapping
from time import monotonic, time
from typing import NamedTuple
from urllib.parse import urlsplit

from chalicelib.errors import UnavailableError
from chalicelib.predict.signing import Credentials, Scope, signed

_CHUNK = 65_536
_DEAD = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    """Names in small letters."""
    body: bytes


class CallTimeoutError(UnavailableError):
    """No answer before the deadline."""


class Host:
    """An AWS service at `url`; `credentials` are read for each call, as Lambda may change them."""

    def __init__(self, url: str, scope: Scope, credentials: Callable[[], Credentials]) -> None:
        self._url = urlsplit(url)
        self._scope = scope
        self._credentials = credentials
        self._kept: http.client.HTTPConnection | None = None

    def post(self, path: str, headers: Mapping[str, str], body: bytes, *, until: float, limit: int) -> Reply:
        """Post, and read at most `limit` bytes (one more tells of more); `until` is a time of `monotonic`."""
        full = signed(
            self._url.path.rstrip("/") + path,
            {"host": self._url.netloc, **headers},
            body,
            scope=self._scope,
            credentials=self._credentials(),
            now=time(),
        )
        try:
            return self._exchange(self._url.path.rstrip("/") + path, full, body, until, limit)
        except TimeoutError as error:
            self.close()
            raise CallTimeoutError(f"{self._scope.service} did not answer in time.") from error
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise UnavailableError(f"{self._scope.service} cannot be reached.") from error

    def close(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _exchange(self, path: str, headers: Mapping[str, str], body: bytes, until: float, limit: int) -> Reply:
        kept = self._alive()
        if kept is not None:
            try:
                return self._ask(kept, path, headers, body, until, limit)
            except _DEAD:
                self.close()
        self._kept = self._connect(until)
        return self._ask(self._kept, path, headers, body, until, limit)

    def _ask(
        self,
        connection: http.client.HTTPConnection,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        until: float,
        limit: int,
    ) -> Reply:
        connection.sock.settimeout(_left(until))
        connection.putrequest("POST", path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.putheader("content-length", str(len(body)))
        connection.endheaders(body)
        connection.sock.settimeout(_left(until))
        response = connection.getresponse()
        said = self._read(connection, response, until, limit)
        if response.will_close or not response.isclosed():
            self.close()
        return Reply(response.status, {name.lower(): value for name, value in response.getheaders()}, said)

    @staticmethod
    def _read(
        connection: http.client.HTTPConnection, response: http.client.HTTPResponse, until: float, limit: int
    ) -> bytes:
        said = bytearray()
        while len(said) <= limit:
            if connection.sock is not None:
                connection.sock.settimeout(_left(until))
            chunk = response.read1(min(_CHUNK, limit + 1 - len(said)))
            if not chunk:
                break
            said += chunk
        if response.length == 0:
            response.close()  # read1 does not notice the end, as read does; the connection stays open
        return bytes(said)

    def _alive(self) -> http.client.HTTPConnection | None:
        """Give the kept connection, unless its other side has hung up: then something, its end, is there to be read."""
        if self._kept is not None and (self._kept.sock is None or select.select([self._kept.sock], [], [], 0)[0]):
            self.close()
        return self._kept

    def _connect(self, until: float) -> http.client.HTTPConnection:
        """Connect; http.client sets TCP_NODELAY, without which headers and body stall each other for 40 ms."""
        host, port = self._url.hostname or "", self._url.port
        secure = self._url.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(host, port, timeout=_left(until))
        connection.connect()
        return connection


def _left(until: float) -> float:
    left = until - monotonic()
    if left <= 0:
        raise TimeoutError
    return left
