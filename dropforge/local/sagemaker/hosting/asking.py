"""Asks one server, over a connection that is kept, and says in AWS's words how that went wrong."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from dropforge.local.sagemaker.errors import ModelError
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.hosting.exchange import BrokenError, Connection, Reply
from dropforge.local.sagemaker.hosting.serving import Server
from dropforge.local.sagemaker.logs import ENDPOINT_GROUP
from dropforge.local.sagemaker.sandbox import SandboxError

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

    async def ask(
        self, server: Server, headers: list[tuple[str, str]], body: bytes, seconds: float | None = None
    ) -> Reply:
        """Give the server's whole answer if it is a success; ModelError for any other and for none."""
        connection, head = await self.begin(server, headers, body, seconds)
        return await self.rest(server, connection, head, seconds)

    async def rest(self, server: Server, connection: Connection, head: Reply, seconds: float | None = None) -> Reply:
        """Read what follows the head of an answer; ModelError unless it is a success."""
        try:
            async with asyncio.timeout(seconds or self.seconds):
                reply = await connection.rest(head)
        except TimeoutError as error:
            connection.close()
            raise self.failed(server, 0, OUT_OF_TIME) from error
        except BrokenError as error:
            connection.close()
            raise self.failed(server, 0, f"The container closed the connection: {error}.") from error
        except asyncio.CancelledError:
            connection.close()
            raise
        self.keep(server, connection)
        if reply.status // 100 != 2:  # noqa: PLR2004 - the class of successes
            raise self.failed(server, reply.status, reply.body.decode(errors="replace"))
        return reply

    async def begin(
        self, server: Server, headers: list[tuple[str, str]], body: bytes, seconds: float | None = None
    ) -> tuple[Connection, Reply]:
        """Send a request and wait for the head of the answer; `keep` or `close` of the connection must follow."""
        connection = None
        try:
            async with asyncio.timeout(seconds or self.seconds):
                connection = await self._connection(server)
                return connection, await connection.begin(_PATH, headers, body)
        except TimeoutError as error:
            _drop(connection)
            raise self.failed(server, 0, OUT_OF_TIME) from error
        except (BrokenError, SandboxError, OSError) as error:
            _drop(connection)
            raise self.failed(server, 0, f"The container closed the connection: {error}.") from error
        except asyncio.CancelledError:
            _drop(connection)
            raise

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

    async def _connection(self, server: Server) -> Connection:
        while server.idle:
            kept = server.idle.pop()
            if kept.fresh:
                return kept
            kept.close()
        connected = await asyncio.get_running_loop().run_in_executor(self._pool, server.connect)
        return await Connection.over(connected)


def _drop(connection: Connection | None) -> None:
    if connection:
        connection.close()
