"""Asks one server, over a connection that is kept, and says in AWS's words how that went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from dropforge.local.sagemaker.errors import ModelError
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.hosting.exchange import BrokenError, Connection, Headers, Reply
from dropforge.local.sagemaker.hosting.serving import Server
from dropforge.local.sagemaker.logs import ENDPOINT_GROUP

Done = TypeVar("Done")
_PATH = "/invocations"
_LONGEST_QUOTE = 1_000  # characters of the container's answer inside an error message
OUT_OF_TIME = (
    "Your invocation timed out while waiting for a response from container primary. Review the latency metrics for each"
    " container in Amazon CloudWatch, resolve the issue, and try again."
)


class Asker:
    """Carries requests to servers, for whoever has taken one."""

    def __init__(self, ground: Ground) -> None:
        self._account = ground.account
        self.seconds = ground.limits.invoke
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="sagemaker-connect")

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def connected(self, server: Server) -> Connection:
        """Give a connection to ask over; SandboxError where the server has ended, ModelError where none can be had."""
        if kept := _kept(server):
            return kept
        return await self._in_time(server, None, self._connect(server))

    async def ask(self, server: Server, connection: Connection, headers: Headers, body: bytes) -> Reply:
        """Give the server's whole answer if it is a success; ModelError for any other and for none."""
        reply = await self._in_time(server, connection, connection.ask(_PATH, headers, body))
        return self._checked(server, connection, reply)

    async def begin(self, server: Server, connection: Connection, headers: Headers, body: bytes) -> Reply:
        """Give the head of the server's answer if it is a success; `keep` of the connection must follow."""
        head = await self._in_time(server, connection, connection.begin(_PATH, headers, body))
        if not _is_success(head):
            return self._checked(server, connection, await self._in_time(server, connection, connection.rest(head)))
        server.hear()
        return head

    def keep(self, server: Server, connection: Connection) -> None:
        """Put a connection aside for the next request, if it can carry one."""
        if connection.fresh and server.healthy:
            server.idle.append(connection)
        else:
            connection.close()

    def failed(self, server: Server, status: int, said: str) -> ModelError:
        who = "client" if status // 100 == 4 else "server"  # noqa: PLR2004 - the class of the client's mistakes
        group = ENDPOINT_GROUP + server.endpoint
        stream = f"arn:aws:logs:{self._account.region}:{self._account.number}:log-group:{group}"
        console = f"https://{self._account.region}.console.aws.amazon.com/cloudwatch/home?region={self._account.region}"
        return ModelError(
            f'Received {who} error ({status}) from primary with message "{said[:_LONGEST_QUOTE]}". See'
            f" {console}#logEventViewer:group={group} in account {self._account.number} for more information.",
            OriginalStatusCode=status,
            OriginalMessage=said,
            LogStreamArn=stream,
        )

    async def _connect(self, server: Server) -> Connection:
        return await Connection.over(await asyncio.get_running_loop().run_in_executor(self._pool, server.connect))

    def _checked(self, server: Server, connection: Connection, reply: Reply) -> Reply:
        server.hear()
        self.keep(server, connection)
        if not _is_success(reply):
            raise self.failed(server, reply.status, reply.body.decode(errors="replace"))
        return reply

    async def _in_time(self, server: Server, connection: Connection | None, done: Coroutine[Any, Any, Done]) -> Done:
        """Wait for what is done over a connection, which is closed where that goes wrong."""
        try:
            async with asyncio.timeout(self.seconds):
                return await done
        except TimeoutError as error:
            _drop(connection)
            raise self.failed(server, 0, OUT_OF_TIME) from error
        except (BrokenError, OSError) as error:
            _drop(connection)
            raise self.failed(server, 0, f"The container gave no whole answer: {error}.") from error
        except asyncio.CancelledError:
            _drop(connection)
            raise


def _is_success(reply: Reply) -> bool:
    return reply.status // 100 == 2  # noqa: PLR2004 - the class of successes


def _kept(server: Server) -> Connection | None:
    while server.idle:
        kept = server.idle.pop()
        if kept.fresh:
            return kept
        kept.close()
    return None


def _drop(connection: Connection | None) -> None:
    if connection:
        connection.close()
