"""All the servers of one endpoint under one configuration: come up together, share the load, leave when drained."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.hosting.serving import Server, StartError, no_ping

_MOST_SERVERS = 4  # of one variant: one machine plays all the instances
_GLANCE = 0.02


class NobodyError(Exception):
    """No server can take the request now."""


class Fleet:
    """The servers of a plan. `take` and `give_back` frame each request, so that nothing is cut off when it leaves."""

    def __init__(self, ground: Ground, endpoint: str, plan: Mapping[str, Any]) -> None:
        self._lock = threading.Lock()
        self._startup = ground.limits.startup
        self._leaving = False
        self._weights = {variant["name"]: float(variant["weight"]) for variant in plan["variants"]}
        self.servers = [
            Server(ground, endpoint, variant)
            for variant in plan["variants"]
            for _ in range(min(variant["count"], _MOST_SERVERS))
        ]

    def start(self) -> None:
        for server in self.servers:
            server.start()

    def wait(self, stopped: threading.Event) -> None:
        """Wait until every server answers its ping; StartError when one does not in time."""
        deadline = time.monotonic() + self._startup
        for server in self.servers:
            while not server.up.wait(_GLANCE):
                if time.monotonic() > deadline:
                    raise StartError(no_ping(server.variant))
                if stopped.is_set():
                    raise StartError("The local cloud is stopping.")
            if server.failure:
                raise StartError(server.failure)

    def variants(self) -> list[str]:
        return list(self._weights)

    def take(self, variant: str | None) -> Server:
        """Choose a variant by weight and its least busy healthy server; NobodyError when there is none."""
        with self._lock:
            healthy = [server for server in self.servers if server.healthy and not self._leaving]
            if variant is None and healthy:
                names = sorted({server.variant for server in healthy})
                weights = [self._weights[name] for name in names]
                variant = random.choices(names, weights)[0] if any(weights) else names[0]  # noqa: S311 - shares load
            able = [server for server in healthy if server.variant == variant]
            if not able:
                raise NobodyError
            chosen = min(able, key=lambda server: server.in_flight)
            self.servers.append(self.servers.pop(self.servers.index(chosen)))  # equals take turns
            chosen.in_flight += 1
            return chosen

    def give_back(self, server: Server) -> None:
        with self._lock:
            server.in_flight -= 1

    def leave(self, seconds: float) -> None:
        """Take no more requests, let those under way finish, then end every server."""
        with self._lock:
            self._leaving = True
        deadline = time.monotonic() + seconds
        while any(server.in_flight for server in self.servers) and time.monotonic() < deadline:
            threading.Event().wait(_GLANCE)
        with ThreadPoolExecutor(max(1, len(self.servers))) as pool:
            list(pool.map(Server.close, self.servers))
