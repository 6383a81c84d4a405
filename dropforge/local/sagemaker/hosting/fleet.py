"""All the servers of one endpoint under one configuration: come up, share the load, grow, shrink, leave."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.hosting import refusals
from dropforge.local.sagemaker.hosting.inference import LONGEST
from dropforge.local.sagemaker.hosting.serving import Server, StartError, no_ping

_MOST_SERVERS = 4  # of one variant: one machine plays all the instances
_GLANCE = 0.02


class NobodyError(Exception):
    """No server can take the request now."""


class Fleet:
    """The servers of a plan. `take` and `give_back` frame each request, so that nothing is cut off when it leaves."""

    def __init__(self, ground: Ground, endpoint: str, plan: Mapping[str, Any]) -> None:
        self._lock = threading.Lock()
        self._ground = ground
        self._endpoint = endpoint
        self._leaving = False
        self.chance = random.Random(f"{ground.pace.seed}/{endpoint}")  # noqa: S311 - shares load
        self.weigh(plan)
        self.queue: Mapping[str, Any] | None = plan.get("async")
        """How an asynchronous endpoint is configured."""
        self._longest = LONGEST if self.queue else None
        self._instances = dict.fromkeys(self._variants, 0)
        self.servers: list[Server] = []

    def variants(self) -> list[str]:
        """Name those that answer."""
        return self._answer

    def counts(self) -> dict[str, int]:
        """Say how many servers each variant has."""
        with self._lock:
            return {name: sum(server.variant == name for server in self.servers) for name in self._variants}

    def instances(self, variant: str) -> int:
        """Say how many instances a variant was last given; there may be fewer servers."""
        return self._instances[variant]

    def busy(self, variant: str) -> int:
        """Say how many requests a variant answers now."""
        return sum(server.in_flight for server in self.servers if server.variant == variant)

    def weigh(self, plan: Mapping[str, Any]) -> None:
        """Share the load by the weights of another plan, and let serverless variants have its concurrency."""
        self._variants: dict[str, Mapping[str, Any]] = {variant["name"]: variant for variant in plan["variants"]}
        self._weights = {name: float(variant["weight"]) for name, variant in self._variants.items()}
        # Found out once, for every request asks.
        self._answer = [name for name, variant in self._variants.items() if not variant.get("shadow")]
        self.serverless = any("serverless" in variant for variant in self._variants.values())

    def grow(self, counts: Mapping[str, int]) -> list[Server]:
        """Start the servers that are missing; each answers as soon as it can. Gives those that were started."""
        with self._lock:
            missing = [
                Server(self._ground, self._endpoint, self._variants[name], self._longest)
                for name, count in counts.items()
                for _ in range(min(count, _MOST_SERVERS) - sum(server.variant == name for server in self.servers))
            ]
            self.servers += missing
            self._instances |= counts
        for server in missing:
            server.start()
        return missing

    def shrink(self, counts: Mapping[str, int], seconds: float) -> None:
        """Let the servers that are too many finish what they do, and end them."""
        with self._lock:
            able = {name: [server for server in self.servers if server.variant == name] for name in counts}
            self._instances |= counts
            surplus = [server for name, count in counts.items() for server in _least_able(able[name])[count:]]
        self._dismiss(surplus, seconds)

    def scale(self, counts: Mapping[str, int], stopped: threading.Event, seconds: float | None = None) -> None:
        """Grow and shrink to these numbers. StartError when a server does not come up: then those before remain."""
        made = self.grow(counts)
        try:
            self.wait(made, stopped, seconds)
        except StartError:
            self._dismiss(made, 0)
            raise
        # A serverless variant has shown that it comes up; it does so again when it is asked.
        left = {name: 0 if "serverless" in self._variants[name] else count for name, count in counts.items()}
        self.shrink(left, self._ground.limits.invoke)

    def wait(self, servers: Iterable[Server], stopped: threading.Event, seconds: float | None = None) -> None:
        """Wait until every server answers its ping; StartError when one does not in time."""
        deadline = time.monotonic() + min(self._ground.limits.startup, seconds or self._ground.limits.startup)
        for server in servers:
            while not server.up.wait(_GLANCE):
                if time.monotonic() > deadline:
                    raise StartError(no_ping(server.variant))
                if stopped.is_set():
                    raise StartError("The local cloud is stopping.")
            if server.failure:
                raise StartError(server.failure)

    def take(self, variant: str | None) -> Server:
        """Choose a variant by weight and its least busy healthy server; NobodyError when there is none.

        A serverless variant's may have to come up first: wait for it.
        """
        with self._lock:
            if self.serverless and not self._leaving:
                return self._take_serverless()
            answer = [] if self._leaving else self._answer
            healthy = [server for server in self.servers if server.healthy and server.variant in answer]
            if variant is None and healthy:
                variant = self._draw(sorted({server.variant for server in healthy}))
            able = [server for server in healthy if server.variant == variant]
            if not able:
                raise NobodyError
            chosen = min(able, key=lambda server: server.in_flight)
            self.servers.append(self.servers.pop(self.servers.index(chosen)))  # equals take turns
            chosen.in_flight += 1
            return chosen

    def take_shadow(self) -> Server | None:
        """Choose who gets a copy of a request, as often as the weights say; nobody where there is no shadow."""
        if len(self._answer) == len(self._variants):
            return None
        with self._lock:
            share = {name: self._weights[name] for name, variant in self._variants.items() if variant.get("shadow")}
            whole = sum(self._weights[name] for name in self.variants()) or 1.0
            able = [server for server in self.servers if server.healthy and server.variant in share]
            if not able or self._leaving or self.chance.random() >= sum(share.values()) / whole:
                return None
            chosen = min(able, key=lambda server: server.in_flight)
            chosen.in_flight += 1
            return chosen

    def rest(self, seconds: float) -> None:
        """End the servers of serverless variants that nobody has asked for so long."""
        if not self.serverless:
            return
        latest = time.monotonic() - seconds
        with self._lock:
            idle = [server for server in self.servers if server.up.is_set() and not server.in_flight]
            tired = [server for server in idle if server.used < latest]
        self._dismiss(tired, self._ground.limits.invoke)

    def take_again(self, server: Server) -> bool:
        """Take the very server that a session began with; False when it is not there any more."""
        with self._lock:
            there = server.healthy and not self._leaving and server in self.servers
            server.in_flight += there
            return there

    def give_back(self, server: Server) -> None:
        with self._lock:
            server.in_flight -= 1
            server.used = time.monotonic()

    def leave(self, seconds: float) -> None:
        """Take no more requests, let those under way finish, then end every server."""
        with self._lock:
            self._leaving = True
            everyone = list(self.servers)
        self._dismiss(everyone, seconds)

    def _draw(self, names: Sequence[str]) -> str:
        weights = [self._weights[name] for name in names]
        several = len(names) > 1 and any(weights)
        return self.chance.choices(names, weights)[0] if several else names[0]

    def _take_serverless(self) -> Server:
        """Choose an idle server, or start one; beyond what this machine takes, requests share servers."""
        (name, variant), *_ = self._variants.items()
        most = variant["serverless"]["MaxConcurrency"]
        if sum(server.in_flight for server in self.servers) >= most:
            raise refusals.THROTTLED(endpoint=self._endpoint, most=most)
        able = [server for server in self.servers if server.healthy or not server.up.is_set()]
        chosen = min(able, key=lambda server: (server.in_flight, not server.healthy), default=None)
        there = sum(not server.failure for server in self.servers)  # who has given up uses nothing
        if chosen is None and there >= _MOST_SERVERS:
            raise NobodyError  # all are unwell: each is started again in its time
        if chosen is None or (chosen.in_flight and there < _MOST_SERVERS):
            chosen = Server(self._ground, self._endpoint, self._variants[name])
            self.servers.append(chosen)
            chosen.start()
        chosen.in_flight += 1
        return chosen

    def _dismiss(self, servers: Sequence[Server], seconds: float) -> None:
        with self._lock:
            self.servers = [server for server in self.servers if server not in servers]
        deadline = time.monotonic() + seconds
        while any(server.in_flight for server in servers) and time.monotonic() < deadline:
            threading.Event().wait(_GLANCE)
        with ThreadPoolExecutor(max(1, len(servers))) as pool:
            list(pool.map(Server.close, servers))


def counts(plan: Mapping[str, Any]) -> dict[str, int]:
    """Say how many servers each variant of a plan is to have."""
    return {variant["name"]: variant["count"] for variant in plan["variants"]}


def standing(plan: Mapping[str, Any]) -> dict[str, int]:
    """Say how many servers each variant of a plan has while nobody asks."""
    return {variant["name"]: 0 if "serverless" in variant else variant["count"] for variant in plan["variants"]}


def _least_able(servers: Sequence[Server]) -> list[Server]:
    """Sort so that what is cut off the end is missed least."""
    return sorted(servers, key=lambda server: (not server.healthy, server.in_flight))
