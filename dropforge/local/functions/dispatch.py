"""All functions of a cloud, and every way in which an event reaches them."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dropforge.local.functions.asynchronous import Deliveries, send_to
from dropforge.local.functions.forks import Forks
from dropforge.local.functions.inbox import Inbox
from dropforge.local.functions.logs import Logs
from dropforge.local.functions.pool import Pool, ThrottledError
from dropforge.local.functions.queues import QueuePoller
from dropforge.local.functions.schedules import Schedules
from dropforge.local.functions.worker import Answer, Ground
from dropforge.local.home import ACCOUNT, REGION
from dropforge.local.stack import Client
from dropforge.local.stack_reading import Deployed, Function, is_mapping_enabled, is_rule_enabled

_FOR_HTTP = 8
_FOR_EVENTS = 2
_SYNCHRONOUS_PATIENCE = 60.0
_IDLE_SECONDS, _GLANCE = 60.0, 5.0
"""A worker holds some fifty megabytes; another one is there in less than a second."""

logger = logging.getLogger(__name__)


class Functions:
    """Takes invocations from before the first stack is known: they wait in the inbox until `open`."""

    def __init__(
        self, home: Path, project: Path, client: Client, environment: Mapping[str, str], *, speed: float
    ) -> None:
        self._client = client
        self._speed = speed
        self._pools: dict[str, Pool] = {}
        self._forks = Forks(project)
        self._logs = Logs(home / "logs", client)
        self._ground = Ground(project, environment, self._logs.line, self._forks)
        self._inbox = Inbox(home / "inbox.sqlite")
        self._deliveries = Deliveries(self._inbox, self._pools.get, client, speed)
        self._pollers: list[QueuePoller] = []
        self._schedules: Schedules | None = None
        self._open = threading.Event()
        self._closing = threading.Event()
        self._resting = threading.Thread(target=self._rest, name="resting", daemon=True)

    def open(self, stacks: list[Deployed]) -> None:
        """Start to deliver to the functions of these stacks."""
        for stack in stacks:
            for function in stack.functions:
                self._pools[function.name] = Pool(function, self._ground, _bound(function, stack))
            self._pollers += [
                QueuePoller(
                    mapping,
                    self._pools[mapping.function],
                    self._client,
                    region=REGION,
                    speed=self._speed,
                    is_enabled=lambda it: is_mapping_enabled(self._client, it),
                )
                for mapping in stack.mappings
            ]
        rules = [schedule for stack in stacks for schedule in stack.schedules]
        self._schedules = Schedules(
            rules,
            self._fire,
            account=ACCOUNT,
            region=REGION,
            speed=self._speed,
            is_enabled=lambda it: is_rule_enabled(self._client, it),
        )
        self._logs.start()
        self._deliveries.start()
        for poller in self._pollers:
            poller.start()
        self._schedules.start()
        self._resting.start()
        self._open.set()

    def close(self) -> None:
        """Deliver nothing more and end all workers; what was under way comes again in the next life."""
        self._closing.set()
        if self._open.is_set():
            self._resting.join(_GLANCE)
            if self._schedules:
                self._schedules.stop()
            for poller in self._pollers:
                poller.stop()
            self._deliveries.stop()
            for pool in self._pools.values():
                pool.stop()
            for poller in self._pollers:
                poller.finish()
            self._deliveries.finish()
            self._logs.stop()
        self._forks.close()
        self._inbox.close()

    def queue(self, function: str, event: Any) -> None:
        """Take over an asynchronous invocation; it is on disk when this returns."""
        self._deliveries.put(function, json.dumps(event).encode())

    def invoke(self, function: str, event: Any) -> tuple[Any, bool]:
        """Run a synchronous invocation that came through the API."""
        answer = self.call(function, json.dumps(event).encode(), patience=_SYNCHRONOUS_PATIENCE)
        return json.loads(answer.payload), answer.failed

    def call(self, function: str, payload: bytes, *, patience: float) -> Answer:
        """Run a function now; a failed answer when it is unknown, or no worker is free within `patience` seconds."""
        pool = self._pools.get(function)
        if pool is None:
            return _refusal("ResourceNotFoundException", f"no function {function} is deployed here")
        try:
            return pool.invoke(payload, patience=patience)
        except ThrottledError:
            return _refusal("TooManyRequestsException", "Rate Exceeded.")

    def status(self) -> dict[str, Any]:
        waiting, dead = self._inbox.counts()
        functions = {
            name: {"invocations": pool.invocations, "errors": pool.errors, "workers": pool.pids()}
            for name, pool in list(self._pools.items())
        }
        return {"functions": functions, "inbox": waiting, "dead": dead}

    def _rest(self) -> None:
        while not self._closing.wait(_GLANCE):
            for pool in self._pools.values():
                try:
                    pool.rest(_IDLE_SECONDS)
                except OSError:  # the edge of the thread: what workers are forked from was killed just now
                    logger.exception("workers of %s that nobody wants were not ended", pool.function.name)

    def _fire(self, target: str, event: str) -> None:
        if ":lambda:" in target:
            self._deliveries.put(target.split(":")[6], event.encode())
        else:
            send_to(self._client, target, event)


def _bound(function: Function, stack: Deployed) -> int:
    """Say how many events may run at once: as the stack says, else what one machine bears."""
    if function.reserved is not None:
        return max(1, function.reserved)
    routed = any(route.function == function.name for api in stack.apis for route in api.routes)
    mapped = sum(mapping.concurrency for mapping in stack.mappings if mapping.function == function.name)
    return max(_FOR_HTTP if routed else 0, mapped) or _FOR_EVENTS


def _refusal(kind: str, message: str) -> Answer:
    return Answer(json.dumps({"errorType": kind, "errorMessage": message}).encode(), failed=True)
