"""The queues of asynchronous endpoints: what was accepted is in the store, and is carried out at least once."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.hosting import inference, refusals
from dropforge.local.sagemaker.hosting.figures import Figures
from dropforge.local.sagemaker.hosting.fleet import Fleet, NobodyError
from dropforge.local.sagemaker.hosting.inference import Outcome
from dropforge.local.sagemaker.hosting.route import Route
from dropforge.local.sagemaker.hosting.runtime import Request
from dropforge.local.sagemaker.hosting.serving import Server
from dropforge.local.sagemaker.sandbox import SandboxError
from dropforge.local.sagemaker.store import Doc, Row

_LOOK = 0.5
_AT_ONCE = 4
"""What one instance answers at once where the configuration does not say."""
_MOST = 64
_EXPIRED = "ClientError: The request expired: it was not taken out of the queue within RequestTTLSeconds."

logger = logging.getLogger(__name__)


class Queue:
    """Takes requests of asynchronous endpoints and carries them out, a thread for each."""

    def __init__(self, ground: Ground, route: Callable[[str], Route | None], figures: Figures) -> None:
        self._ground, self._route, self._figures = ground, route, figures
        self._store = ground.store
        self._closing, self._wanted = threading.Event(), threading.Event()
        self._busy: dict[str, str] = {}
        """The endpoint of each request that is being carried out."""
        self._told: dict[str, int] = {}
        self._workers: set[threading.Thread] = set()
        self._thread = threading.Thread(target=self._run, name="async-inference", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Take nothing more out of the queues."""
        self._closing.set()
        self._wanted.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def join(self) -> None:
        """Wait for what is being carried out; it has ended soon after its servers have."""
        for worker in list(self._workers):
            worker.join(5)

    def accept(self, request: Request, config: dict[str, Any]) -> Doc:
        """Remember a request before it is answered; one whose endpoint has just gone is refused."""
        doc = inference.accept(request, config, self._ground.limits.speed)
        with self._store.alone():  # a deletion ends the route first, and drops what is here after it
            if self._route(request.endpoint) is None:
                raise refusals.NO_ENDPOINT(endpoint=request.endpoint, account=self._ground.account.number)
            self._store.create(inference.KIND, doc["_name"], doc, group=request.endpoint)
        self._wanted.set()
        return doc

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._look()
            except Exception:  # the edge of the thread: the queues must not stand still
                logger.exception("the queues of asynchronous endpoints met an internal error")
            self._wanted.wait(_LOOK)
            self._wanted.clear()

    def _look(self) -> None:
        waiting: dict[str, list[Row]] = defaultdict(list)
        for row in self._store.select("kind = ?", (inference.KIND,)):
            waiting[row.doc["EndpointName"]].append(row)
        for endpoint, rows in waiting.items():
            self._advance(endpoint, rows)
        for endpoint in {*waiting, *self._told}:
            self._tell(endpoint, len(waiting[endpoint]))

    def _advance(self, endpoint: str, rows: list[Row]) -> None:
        route = self._route(endpoint)
        for row in rows:
            if row.name in self._busy:
                continue
            if row.doc["Expires"] < time.time():
                self._add("ExpiredRequests", endpoint, 1)
                self._begin(row, None)
            elif not self._has_room(endpoint, route):
                return
            else:
                try:
                    self._begin(row, route.take(None) if route else None)
                except NobodyError:
                    return

    def _has_room(self, endpoint: str, route: Route | None) -> bool:
        if route is None:
            return False
        client = (route.first.queue or {}).get("ClientConfig", {})
        healthy = sum(server.healthy for fleet in route.fleets() for server in fleet.servers)
        most = client.get("MaxConcurrentInvocationsPerInstance", _AT_ONCE) * healthy
        return sum(busy == endpoint for busy in list(self._busy.values())) < min(int(most), _MOST)

    def _begin(self, row: Row, taken: tuple[Fleet, Server] | None) -> None:
        self._busy[row.name] = row.doc["EndpointName"]
        worker = threading.Thread(target=self._work, args=(row.name, row.doc, taken), name=row.name, daemon=True)
        self._workers.add(worker)
        worker.start()

    def _work(self, name: str, doc: Doc, taken: tuple[Fleet, Server] | None) -> None:
        try:
            self._carry_out(name, doc, taken)
        except SandboxError:
            return  # the server has just gone: another one will be asked
        except Exception:  # the edge of the thread: the request stays in the queue
            if not self._closing.is_set():
                logger.exception("asynchronous inference %s met an internal error", name)
                self._closing.wait(_LOOK)
        finally:
            self._busy.pop(name, None)
            self._workers.discard(threading.current_thread())
            self._wanted.set()

    def _carry_out(self, name: str, doc: Doc, taken: tuple[Fleet, Server] | None) -> None:
        endpoint, outcome = doc["EndpointName"], Outcome(_EXPIRED.encode(), reason=_EXPIRED)
        client = self._ground.client
        if taken:
            fleet, server = taken
            try:
                if self._store.get(inference.KIND, name) is None:
                    return  # answered since it was seen, or gone with its endpoint, whose name another one has now
                self._add("TimeInBacklog", endpoint, (time.time() - doc["CreationTime"]) * 1000, "Milliseconds")
                outcome = inference.carry_out(client("s3"), doc, server)
            finally:
                fleet.give_back(server)
        if outcome.reason and self._closing.is_set():
            return  # its server was ended, not its time: the next start asks again
        outcome = self._deliver(doc, outcome)
        inference.tell(client("sns"), doc, outcome, self._ground.account.region)
        self._store.delete(inference.KIND, name)
        self._add("InvocationFailures" if outcome.reason else "InvocationsProcessed", endpoint, 1)

    def _deliver(self, doc: Doc, outcome: Outcome) -> Outcome:
        """Put an answer where it was promised; one that has no place there is a failure, and a failure has no other."""
        try:
            inference.put(self._ground.client("s3"), doc, outcome)
        except (ClientError, ParamValidationError) as error:
            if outcome.reason:
                logger.warning(
                    "the failure of an asynchronous inference of %s has no place: %s", doc["EndpointName"], error
                )
                return outcome
            reason = f"ClientError: Failed to upload the output to {doc['OutputLocation']}: {error}"
            return self._deliver(doc, Outcome(reason.encode(), reason=reason))
        return outcome

    def _tell(self, endpoint: str, backlog: int) -> None:
        """Tell of a backlog as long as there is one, and once when it is gone."""
        if not backlog and not self._told.pop(endpoint, 0):
            return
        route = self._route(endpoint)
        instances = sum(sum(fleet.counts().values()) for fleet in route.fleets()) if route else 0
        self._add("ApproximateBacklogSize", endpoint, backlog)
        self._add("HasBacklogWithoutCapacity", endpoint, float(backlog > 0 and not instances))
        if instances:
            self._add("ApproximateBacklogSizePerInstance", endpoint, backlog / instances)
        if backlog:
            self._told[endpoint] = backlog

    def _add(self, name: str, endpoint: str, value: float, unit: str = "Count") -> None:
        self._figures.add(name, unit, value, EndpointName=endpoint)
