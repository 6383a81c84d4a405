"""Carries out what endpoints are asked for, a thread for each change: the old servers serve until the new ones can."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from typing import Any

from dropforge.local.sagemaker import events
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.hosting import endpoints
from dropforge.local.sagemaker.hosting.fleet import Fleet
from dropforge.local.sagemaker.hosting.serving import StartError, servers_in
from dropforge.local.sagemaker.store import Doc, Event

_RESUME_SECONDS = 15.0

logger = logging.getLogger(__name__)


class Rollout:
    """Knows which servers answer for an endpoint, and moves endpoints along."""

    def __init__(self, ground: Ground) -> None:
        self._store = ground.store
        self._ground = ground
        self._fleets: dict[str, Fleet] = {}
        self._closing = threading.Event()
        self._threads: set[threading.Thread] = set()
        shutil.rmtree(servers_in(ground), ignore_errors=True)  # what a kill left; models are fetched again
        self._left = self._store.select("kind = ?", (endpoints.KIND,))  # known before the first call of this life

    def fleet(self, endpoint: str) -> Fleet | None:
        """Give the servers that answer for an endpoint now."""
        return self._fleets.get(endpoint)

    def launch(self, name: str) -> None:
        """Carry out, in a thread of its own, what the store says is under way."""
        thread = threading.Thread(target=self._thread, args=(name,), name=f"endpoint-{name}", daemon=True)
        self._threads.add(thread)
        thread.start()

    def resume(self) -> None:
        """Serve again what served, go on with what was under way; returns when the former answer, or after a while."""
        for row in self._left:
            if plan := row.doc.get("_plan"):
                self._fleets[row.name] = fleet = Fleet(self._ground, row.name, plan)
                fleet.start()
        deadline = time.monotonic() + _RESUME_SECONDS
        for fleet in list(self._fleets.values()):
            for server in fleet.servers:
                server.up.wait(max(0.0, deadline - time.monotonic()))
        for row in self._left:
            if row.status in {"Creating", "Updating", "Deleting"}:
                self.launch(row.name)

    def close(self) -> None:
        """End every server; the store keeps what should be there at the next start."""
        self._closing.set()
        for thread in list(self._threads):
            thread.join(5)
        for fleet in list(self._fleets.values()):
            fleet.leave(0)

    def status(self) -> dict[str, Any]:
        return {
            name: {"servers": len(fleet.servers), "restarts": sum(server.restarts for server in fleet.servers)}
            for name, fleet in sorted(self._fleets.items())
        }

    def _thread(self, name: str) -> None:
        try:
            doc = self._store.get(endpoints.KIND, name)
            if doc and doc["EndpointStatus"] == "Deleting":
                self._delete(name)
            elif doc and doc["EndpointStatus"] in {"Creating", "Updating"}:
                self._move(name, doc["_wanted"])
        except Exception:  # the edge of the thread: an endpoint must not stay in between
            logger.exception("a change of endpoint %s met an internal error", name)
            self._fail(name, "We encountered an internal error. Please try again.")
        finally:
            self._threads.discard(threading.current_thread())

    def _move(self, name: str, plan: Doc) -> None:
        new = Fleet(self._ground, name, plan)
        new.start()
        try:
            new.wait(self._closing)
        except StartError as error:
            new.leave(0)
            self._fail(name, str(error))
            return
        old = self._fleets.get(name)
        self._fleets[name] = new  # from here on requests meet the new servers; those under way finish on the old
        self._change(name, EndpointStatus="InService", EndpointConfigName=plan["config"], _plan=plan, _wanted=None)
        if old:
            old.leave(self._ground.limits.invoke)

    def _fail(self, name: str, reason: str) -> None:
        """A creation that fails leaves Failed; an update that fails leaves what was there, InService."""
        if self._closing.is_set():
            return
        serves = name in self._fleets
        self._change(name, EndpointStatus="InService" if serves else "Failed", FailureReason=reason, _wanted=None)

    def _delete(self, name: str) -> None:
        fleet = self._fleets.pop(name, None)
        if fleet:
            fleet.leave(self._ground.limits.invoke)
        if not self._closing.is_set():
            self._store.delete(endpoints.KIND, name)

    def _change(self, name: str, **values: Any) -> None:
        def step(doc: Doc) -> list[Event]:
            doc |= {**values, "LastModifiedTime": time.time()}
            if doc.get("_plan"):
                doc["ProductionVariants"] = endpoints.summary(doc["_plan"])
            return [events.endpoint(doc)]

        self._store.change(endpoints.KIND, name, step)
