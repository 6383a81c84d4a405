"""ministack, in this process: the only room that touches its insides.

It gives us S3, SQS, DynamoDB, EventBridge, Logs, CloudFormation and the rest as one ASGI app. Three things are ours
instead: it never executes a Lambda (every invocation goes to the `Invoker`), it never fires a schedule, and its state
is written to disk while it runs: all of it in snapshots, items of DynamoDB before they are answered for. That state
lives in modules, so there is one ministack in a process; `tests/local/test_ministack.py` holds a contract for each of
the insides used here.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import json
import logging
import os
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, cast

from dropforge.local import apis, default_key
from dropforge.local.home import Keys
from dropforge.local.ministack import later, lines, minutes
from dropforge.local.ministack.journal import Journal
from dropforge.local.ministack.snapshots import Snapshots
from dropforge.local.ministack.tables import Tables

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

_READS = ("Get", "List", "Describe", "Query", "Scan", "BatchGet", "Receive", "Head", "Filter", "Test")
_SNAPSHOT_SHARE = 20
"""A snapshot may take at most one part in so many of the time."""
_EMIT_WITHIN = 10.0
_SAVE_WITHIN = 60.0
_COPY_AGAIN = 0.01
_TRIES = 5

logger = logging.getLogger(__name__)


class Invoker(Protocol):
    """Where ministack hands over what it would have executed itself."""

    def queue(self, function: str, event: Any) -> None:
        """Take over an asynchronous invocation; durable when this returns."""

    def invoke(self, function: str, event: Any) -> tuple[Any, bool]:
        """Run a synchronous invocation; gives the answer and whether it is an error."""


@dataclass(frozen=True, slots=True)
class Account:
    """Whose cloud it is, and where it answers."""

    number: str
    region: str
    port: int
    keys: Keys


class Ministack:
    """One ministack over one home. Make it before anyone imports ministack, which reads its environment then."""

    def __init__(self, home: Path, account: Account) -> None:
        self._account = account
        self._snapshots = Snapshots(home)
        os.environ.update(_environment(home, account))
        os.environ.pop("AWS_SESSION_TOKEN", None)
        apis.share()
        later.read_services_late()
        import ministack.app  # reads the environment that was just set

        self._app = ministack.app
        minutes.round_down()
        lines.keep_newest()
        self._journal = _journal(home)
        self._tables = Tables(self._journal, self.save)
        self._changed = asyncio.Event()
        self._saving = asyncio.Lock()
        self._asked = self._saved = 0
        self._loaded = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pool = concurrent.futures.ThreadPoolExecutor(16, thread_name_prefix="ministack")

    async def asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, and remember that it may have changed something."""
        named = default_key.named(scope, self._account.number, self._account.region)
        await cast("Asgi", self._app.app)(named, receive, send)
        if not reads_only(scope):
            self._changed.set()

    async def start(self) -> None:
        """Load what the last life left; call on the loop that will serve."""
        self._loop = loop = asyncio.get_running_loop()
        loop.set_default_executor(self._pool)
        self._app._MAIN_LOOP = loop  # noqa: SLF001  worker threads of ministack call handlers through it
        since = self._snapshots.open()
        self._app._load_persisted_state()  # noqa: SLF001  its lifespan would start schedulers and listeners, too
        lines.share_loaded()
        if self._tables.restore(since):
            self._changed.set()
        self._tables.begin()
        self._journal.turn(since)  # what follows a line that was cut short would not be read
        self._loaded = True

    def hand_over(self, invoker: Invoker) -> None:
        """Put our delivery in the place of ministack's own Lambda execution: no handler runs in it after this."""
        from ministack.services import eventbridge, lambda_svc

        def queue_rule_target(arn: str, payload: str) -> None:
            invoker.queue(_function_name(arn), json.loads(payload))

        def queue(function: Mapping[str, Any], event: Any) -> None:
            invoker.queue(_named(function), event)

        def execute(function: Mapping[str, Any], event: Any) -> dict[str, Any]:
            body, failed = invoker.invoke(_named(function), event)
            return {"body": body, "error": failed}

        def refuse(*_args: object, **_kwargs: object) -> None:
            raise RuntimeError("ministack must not run handlers; the local cloud's own workers do")

        eventbridge._dispatch_to_lambda = queue_rule_target  # noqa: SLF001  rule targets
        lambda_svc.invoke_async_with_retry = queue  # Invoke with type Event, S3 notifications
        lambda_svc._execute_function = execute  # noqa: SLF001  Invoke, and what else calls functions synchronously
        lambda_svc._ensure_poller = _do_nothing  # noqa: SLF001  event source mappings are polled by us
        lambda_svc.acquire_worker = lambda_svc.ensure_spawned = refuse

    def emit(
        self,
        source: str,
        detail_type: str,
        detail: Mapping[str, Any],
        resources: Sequence[str],
        where: tuple[str, str] | None = None,
    ) -> None:
        """Publish as AWS services do (source `aws.…`, refused to customers); call from a thread that does not serve.

        `where`: the account and region, if not the cloud's own.
        """
        entry = {
            "Source": source,
            "DetailType": detail_type,
            "Detail": json.dumps(detail),
            "Resources": list(resources),
        }
        self._wait_for(self._put(entry, *(where or (self._account.number, self._account.region))), _EMIT_WITHIN)

    def _wait_for(self, work: Coroutine[Any, Any, None], seconds: float) -> None:
        if self._loop is None:
            raise RuntimeError("ministack is not started yet")
        asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)

    async def _put(self, entry: Mapping[str, Any], account: str, region: str) -> None:
        from ministack.core.responses import request_scope
        from ministack.services import eventbridge

        with request_scope(account, region):
            eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)  # noqa: SLF001  as AWS itself sends
        self._changed.set()

    async def keep_saving(self, pause: float = 1.0) -> None:
        """Write the state to disk whenever it changed, for ever; a kill -9 loses at most a few seconds of it.

        None of what DynamoDB has answered for: that is in the journal.
        """
        while True:
            await self._changed.wait()
            self._changed.clear()
            started = time.monotonic()
            try:
                await self.save()
            except OSError:
                logger.exception("the state was not saved; it is tried again")
                self._changed.set()
            await asyncio.sleep(max(pause, (time.monotonic() - started) * _SNAPSHOT_SHARE))

    async def save(self) -> None:
        """Have a snapshot on disk of all that is so now; OSError when that cannot be. Who waits together, gets one."""
        self._asked += 1
        mine = self._asked
        async with self._saving:
            if self._saved < mine:
                covers = self._asked
                await self._save()
                self._saved = covers

    def saved(self) -> None:
        """Do the same from a thread that does not serve."""
        self._wait_for(self.save(), _SAVE_WITHIN)

    async def _save(self) -> None:
        # Copied on the loop in one go, where no request can change it meanwhile: no service is ahead of another.
        while (copied := self._try_to_copy()) is None:  # noqa: ASYNC110  see below
            await asyncio.sleep(_COPY_AGAIN)  # no thread of ministack's tells when it has ended a change
        since, states = copied
        if not await asyncio.to_thread(self._snapshots.write, states, since):
            raise OSError(f"no snapshot could be written to {self._snapshots.link.parent}")
        self._tables.saved(states["dynamodb"]["tables"])
        self._journal.forget(since)

    def _try_to_copy(self) -> tuple[int, dict[str, Any]] | None:
        # First the new segment: a thread of ministack's may write to it what the copy has, too, which does no harm.
        since = self._journal.turn()
        try:
            return since, self._copy()
        except RuntimeError as error:
            logger.info("the snapshot comes later: %s", error)
            return None

    def _copy(self) -> dict[str, Any]:
        """Copy what every service knows; a thread of ministack's may change one meanwhile, so each has a few tries."""
        getters = self._app._build_persistence_save_dict()  # noqa: SLF001  what its lifespan would save at its end
        states = {name: _copied(state_of) for name, state_of in getters.items()}
        return {name: state for name, state in states.items() if state is not None}

    def stop(self) -> None:
        """Save everything; call when nothing serves any more. Its remaining threads are daemons without work."""
        if self._loaded:
            # Who was told to end before that knows nothing yet, and must not write it down.
            self._save_last()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _save_last(self) -> None:
        since = self._journal.turn()
        if self._snapshots.write(self._copy(), since):
            self._journal.forget(since)
        self._tables.end()
        self._journal.close()


def _copied(state_of: Callable[[], Any]) -> Any:
    for _ in range(_TRIES - 1):
        with contextlib.suppress(RuntimeError):
            return state_of()
    return state_of()


def _journal(home: Path) -> Journal:
    from ministack.core import persistence

    # Its own way with what JSON cannot hold: both are read by the same start.
    return Journal(home / "journal", default=persistence._json_default, hook=persistence._json_object_hook)  # noqa: SLF001  see above


def next_cron(expression: str, after: float) -> float | None:
    """Tell when a `cron(…)` expression fires next; None when it never does or is no cron expression."""
    from ministack.services import eventbridge

    fields = eventbridge._parse_cron_fields(expression)  # noqa: SLF001  all of AWS's cron syntax, already written
    if fields is None:
        return None
    found: datetime | None = None
    with contextlib.suppress(ValueError):
        found = eventbridge._cron_next_fire(fields, datetime.fromtimestamp(after, tz=UTC))  # noqa: SLF001  see above
    return found.timestamp() if found else None


def _environment(home: Path, account: Account) -> dict[str, str]:
    return {
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(account.port),
        "MINISTACK_ACCOUNT_ID": account.number,
        "MINISTACK_REGION": account.region,
        "AWS_ACCESS_KEY_ID": account.keys.access,  # it checks signed links against these
        "AWS_SECRET_ACCESS_KEY": account.keys.secret,
        "PERSIST_STATE": "1",
        "STATE_DIR": str(home / "ministack"),  # blobs and keys; what services know is in snapshots
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(home / "s3"),
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        "DOCKER_HOST": "unix:///nonexistent/docker.sock",  # no container engine is ever asked
        "LOG_LEVEL": "WARNING",
    }


def reads_only(scope: Scope) -> bool:
    """Tell whether a request leaves all state as it was, by its method or by the operation it names."""
    if scope["method"] in {"GET", "HEAD", "OPTIONS"}:
        return True
    target = dict(scope["headers"]).get(b"x-amz-target", b"").decode("latin-1")
    return str(target).rpartition(".")[2].startswith(_READS)


def _function_name(arn: str) -> str:
    """Read the name from a function's ARN (with or without a qualifier), or from itself."""
    return arn.split(":")[6] if arn.startswith("arn:") else arn.split(":", maxsplit=1)[0]


def _named(function: Mapping[str, Any]) -> str:
    return str((function.get("config") or function)["FunctionName"])


def _do_nothing() -> None:
    return None
