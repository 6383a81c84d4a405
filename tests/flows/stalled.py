"""A worker that stalls before one of its calls while something else happens, and then wakes up again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chalicelib.flows.releases import Releases
from chalicelib.flows.report import Report
from tests.flows.machines import Machines


class Stall:
    """Counts the calls on several ports and lets something else happen just before one of them."""

    def __init__(self, at: int, meanwhile: Callable[[], None]) -> None:
        self.at = at
        self.calls = 0
        self.meanwhile = meanwhile

    def port(self, port: Any) -> Any:
        return _Stalling(self, port)

    def call(self) -> None:
        self.calls += 1
        if self.calls == self.at:
            self.meanwhile()


class _Stalling:
    def __init__(self, stall: Stall, port: Any) -> None:
        self._stall = stall
        self._port = port

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            self._stall.call()
            return found(*args, **kwargs)

        return call


def stalling_worker(it: Machines, stall: Stall) -> Releases:
    world = it.world
    records, hosting, bucket = stall.port(world.records), stall.port(world.hosting), stall.port(world.bucket)
    return Releases(
        bucket=bucket,
        records=records,
        timer=world.timer,
        clock=world.clock,
        settings=world.settings,
        versions=it.versions,
        hosting=hosting,
        registry=stall.port(world.registry),
        report=Report(bucket=bucket, records=records, clock=world.clock),
    )
