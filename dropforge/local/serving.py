"""One HTTP server on one loopback port: uvicorn in a thread with a loop of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from dropforge.local.ministack import Asgi

_HEADERS_WITHIN = 15.0
_STOP_WITHIN = 2


class _PatientProtocol(H11Protocol):
    """Closes a connection whose first request does not even finish its headers: uvicorn alone would wait for ever."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's is untyped here
        super().connection_made(transport)
        self._first = self.loop.call_later(_HEADERS_WITHIN, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        self._first.cancel()
        super().connection_lost(exc)

    def _give_up(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()


class Server:
    """Serve an ASGI app on a listening socket until stopped; `before` and `beside` run on its loop."""

    def __init__(
        self,
        app: Asgi,
        listening: socket.socket,
        *,
        name: str,
        before: Callable[[], Awaitable[None]] | None = None,
        beside: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.port: int = listening.getsockname()[1]
        self._listening = listening
        self._before, self._beside = before, beside
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                cast("Any", app),
                http=_PatientProtocol,
                interface="asgi3",
                proxy_headers=False,
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                date_header=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=_STOP_WITHIN,
                h11_max_incomplete_event_size=1 << 18,
            )
        )
        self._thread = threading.Thread(target=self._run, name=f"serve-{name}", daemon=True)
        self._failure: BaseException | None = None

    def start(self, seconds: float = 20) -> None:
        """Start serving; returns when requests are answered."""
        self._thread.start()
        waited = threading.Event()
        for _ in range(int(seconds / 0.01)):
            if self._uvicorn.started:
                return
            if not self._thread.is_alive():
                break
            waited.wait(0.01)
        raise RuntimeError(f"the server on port {self.port} did not start") from self._failure

    def stop(self) -> None:
        self._uvicorn.should_exit = True
        self._thread.join(_STOP_WITHIN + 2)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001  the edge of the thread; start() tells of it
            self._failure = error

    async def _serve(self) -> None:
        if self._before:
            await self._before()
        beside = asyncio.ensure_future(self._beside()) if self._beside else None
        try:
            await self._uvicorn.serve(sockets=[self._listening])
        finally:
            if beside:
                beside.cancel()
            self._listening.close()
