"""Programs on several hosts as one: started when all can be reached, looked at, asked to end, ended."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from dropforge.local.sagemaker import sandbox
from dropforge.local.sagemaker.sandbox.contract import Image, Network, Place

_GLANCE = 0.05


class Host(Protocol):
    """One host while it runs."""

    name: str
    process: sandbox.Process | None

    def bring(self, stopped: Callable[[], bool]) -> None: ...
    def failure(self) -> str | None: ...
    def close(self) -> None: ...


class Together:
    """The hosts of one job, whatever its kind; `grace` is in seconds, between SIGTERM and SIGKILL."""

    def __init__(self, hosts: Sequence[Host], image: Image, grace: float) -> None:
        self._hosts = hosts
        self._image = image
        self._grace = grace
        self._network: Network | None = None

    def bring(self, stopped: Callable[[], bool]) -> None:
        for host in self._hosts:
            host.bring(stopped)

    def look(self) -> list[int | None]:
        """Wait for a moment, less where all have ended; gives the exit codes, None of those that run."""
        processes = [host.process for host in self._hosts if host.process]
        running = next((process for process in processes if process.poll() is None), None)
        if running:
            running.wait(_GLANCE)
        return [process.poll() for process in processes]

    def failure(self) -> str | None:
        return next((why for host in self._hosts if (why := host.failure())), None)

    def stop(self, hurried: Callable[[], bool]) -> None:
        """Ask all to end, and kill those that have not when their grace has ended."""
        for host in self._hosts:
            if host.process:
                host.process.signal(signal.SIGTERM)
        deadline = time.monotonic() + self._grace
        while None in self.look() and time.monotonic() < deadline and not hurried():
            pass
        self.kill()

    def kill(self) -> None:
        for host in self._hosts:
            if host.process:
                host.process.kill()
                host.process.wait()

    def close(self) -> None:
        for host in self._hosts:
            host.close()
        network, self._network = self._network, None
        if network:
            network.close()

    def _places(self) -> list[Place]:
        """Lay the network, where there is more than one host; gives each its place."""
        if len(self._hosts) == 1:
            return [self._image]
        network = self._network = self._image.network([host.name for host in self._hosts])
        return [network.place(host.name) for host in self._hosts]

    def _begin(self, started: Sequence[sandbox.Process]) -> None:
        """Let the programs begin, on none before all can be reached; one that is alone has begun."""
        for process in started if self._network else ():
            process.begin()
