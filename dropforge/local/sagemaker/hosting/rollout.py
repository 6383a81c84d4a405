"""Knows which servers answer for each endpoint, and carries out what is asked for, a thread for each change."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from dropforge.local.sagemaker import events, removal
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.hosting import endpoints, inference, plans, states
from dropforge.local.sagemaker.hosting.deployment import Deployment, Hands, StoppingError
from dropforge.local.sagemaker.hosting.fleet import Fleet, standing
from dropforge.local.sagemaker.hosting.route import Route
from dropforge.local.sagemaker.hosting.serving import servers_in
from dropforge.local.sagemaker.store import Doc, Event

_RESUME_SECONDS = 15.0
_TIDY_SECONDS = 0.5
_INTERNAL = "We encountered an internal error. Please try again."

logger = logging.getLogger(__name__)


class Rollout:
    """Knows which servers answer for an endpoint, and moves endpoints along. `forget` hears of deleted ones."""

    def __init__(self, ground: Ground, forget: Callable[[str], None]) -> None:
        self._forget = forget
        self._store = ground.store
        self._ground = ground
        self._routes: dict[str, Route] = {}
        self._closing = threading.Event()
        self._threads: set[threading.Thread] = set()
        self._tidier = threading.Thread(target=self._tidy, name="endpoints-tidy", daemon=True)
        removal.remove(servers_in(ground))  # what a kill left; models are fetched again
        self._left = self._store.select("kind = ?", (endpoints.KIND,))  # known before the first call of this life

    def route(self, endpoint: str) -> Route | None:
        """Give the way to the servers that answer for an endpoint now."""
        return self._routes.get(endpoint)

    def launch(self, name: str) -> None:
        """Carry out, in a thread of its own, what the store says is under way."""
        thread = threading.Thread(target=self._thread, args=(name,), name=f"endpoint-{name}", daemon=True)
        self._threads.add(thread)
        thread.start()

    def resume(self) -> None:
        """Serve again what served, go on with what was under way; returns when the former answer, or after a while."""
        made = []
        for row in self._left:
            if plan := row.doc.get("_plan"):
                fleet = Fleet(self._ground, row.name, plan)
                self._routes[row.name] = Route(fleet)
                made += fleet.grow(standing(plan))
        deadline = time.monotonic() + _RESUME_SECONDS
        for server in made:
            server.up.wait(max(0.0, deadline - time.monotonic()))
        self._tidier.start()
        for row in self._left:
            if row.status in {"Creating", "Updating", "RollingBack", "Deleting"}:
                self.launch(row.name)

    def close(self) -> None:
        """End every server; the store keeps what should be there at the next start."""
        self._closing.set()
        if self._tidier.is_alive():
            self._tidier.join(5)
        for thread in list(self._threads):
            thread.join(5)
        for fleet in [fleet for route in list(self._routes.values()) for fleet in route.fleets()]:
            fleet.leave(0)

    def status(self) -> dict[str, Any]:
        return {name: _told(route) for name, route in sorted(self._routes.items())}

    def _thread(self, name: str) -> None:
        try:
            if doc := self._store.get(endpoints.KIND, name):
                self._carry_out(name, doc)
        except StoppingError:
            return
        except Exception:  # the edge of the thread: an endpoint must not stay in between
            logger.exception("a change of endpoint %s met an internal error", name)
            self._fail(name)
        finally:
            self._threads.discard(threading.current_thread())

    def _tidy(self) -> None:
        """Let serverless endpoints go down to no server at all."""
        while not self._closing.wait(_TIDY_SECONDS):
            for fleet in [fleet for route in list(self._routes.values()) for fleet in route.fleets()]:
                fleet.rest(self._ground.limits.idle)

    def _carry_out(self, name: str, doc: Doc) -> None:
        wanted = doc.get("_wanted")
        tell = partial(self._change, name)
        deployment = Deployment(self._ground, name, Hands(partial(self._answer, name), tell, self._closing))
        match doc["EndpointStatus"], self._routes.get(name):
            case "Deleting", _:
                self._delete(name)
            case "RollingBack", _:  # a stop came in between; the old configuration serves again by now
                self._change(name, EndpointStatus="InService", _wanted=None, _stage=None)
            case "Creating", _ if wanted:
                deployment.create(wanted)
            case "Updating", Route(first=fleet) if wanted and wanted.get("in_place"):
                deployment.resize(fleet, doc["_plan"], wanted)
            case "Updating", Route(first=fleet) if wanted:
                deployment.replace(fleet, doc["_plan"], wanted)

    def _answer(self, name: str, route: Route) -> None:
        self._routes[name] = route

    def _fail(self, name: str) -> None:
        """A creation that fails leaves Failed; an update that fails leaves what was there, InService."""
        if not self._closing.is_set():
            status = "InService" if name in self._routes else "Failed"
            self._change(name, EndpointStatus=status, FailureReason=_INTERNAL, _wanted=None, _stage=None)

    def _delete(self, name: str) -> None:
        route = self._routes.pop(name, None)
        for fleet in route.fleets() if route else ():
            fleet.leave(self._ground.limits.invoke)
        if not self._closing.wait(self._ground.pace.seconds(states.ENDPOINT, "Deleting", name)):
            self._forget(name)  # before the endpoint: a kill in between is made good by the next life
            for row in self._store.select("kind = ? AND grouped = ?", (inference.KIND, name)):
                self._store.delete(inference.KIND, row.name)
            self._store.delete(endpoints.KIND, name)

    def _change(self, name: str, **values: Any) -> None:
        def step(doc: Doc) -> list[Event]:
            doc |= values
            if "EndpointStatus" not in values:
                return []
            doc["LastModifiedTime"] = time.time()
            if doc.get("_plan"):
                doc.pop("ShadowProductionVariants", None)
                doc |= plans.summaries(doc["_plan"])
            return [events.endpoint(doc)]

        self._store.change(endpoints.KIND, name, step)


def _told(route: Route) -> dict[str, int]:
    servers = [server for fleet in route.fleets() for server in fleet.servers]
    return {
        "servers": len(servers),
        "restarts": sum(server.restarts for server in servers),
        "busy": sum(server.in_flight for server in servers),
    }
