"""One HTTP server on one loopback port: uvicorn in a thread with a loop of its own."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, cast

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from dropforge.local.express import Express, Ways
from dropforge.local.ministack import Asgi

_HEADERS_WITHIN = 15.0
_STOP_WITHIN = 2


class _Impatient(H11Protocol):
    """Closes a connection that does not finish a request's headers in time: uvicorn alone would wait for ever."""

    def __init__(self, *args: Any, headers_within: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._within = headers_within
        self._watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn declares it
        super().connection_made(transport)
        self._begin_watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._begin_watch()
        else:
            self._end_watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # The beginning of a next request may have come together with this one.
        if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._begin_watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_watch()
        super().connection_lost(exc)

    def _begin_watch(self) -> None:
        # Not begun anew by every byte that trickles in.
        if self._watch is None:
            self._watch = self.loop.call_later(self._within, self.transport.close)

    def _end_watch(self) -> None:
        if self._watch:
            self._watch.cancel()
        self._watch = None


class Server:
    """Serve an ASGI app on a listening socket until stopped; `before` and `beside` run on its loop.

    Requests whose heads `often` matches go a shorter way to the app: see express.py.
    """

    def __init__(
        self,
        app: Asgi,
        listening: socket.socket,
        *,
        name: str,
        headers_within: float = _HEADERS_WITHIN,
        often: re.Pattern[bytes] | None = None,
        before: Callable[[], Awaitable[None]] | None = None,
        beside: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.port: int = listening.getsockname()[1]
        self._listening = listening
        self._before, self._beside = before, beside
        general = partial(_Impatient, headers_within=headers_within)

        def connection(**given: Any) -> asyncio.BaseProtocol:
            if often is None:
                return general(**given)
            return Express(Ways(app, often, partial(general, **given), given["server_state"], headers_within))

        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                cast("Any", app),
                http=cast("Any", connection),
                interface="asgi3",
                proxy_headers=False,
                ws="none",
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
