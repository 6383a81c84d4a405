"""Programs on several hosts as one: started when all can be reached, looked at, asked to end, ended."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from dropforge.local.sagemaker import sandbox
from dropforge.local.sagemaker.jobs.host import Host
from dropforge.local.sagemaker.jobs.synced import Watch
from dropforge.local.sagemaker.sandbox.contract import Image, Network, Place

_GLANCE = 0.05
Each = TypeVar("Each", bound=Host)


class Together(Generic[Each]):
    """The hosts of one job; `grace` is in seconds, between SIGTERM and SIGKILL."""

    def __init__(self, each: Sequence[Each], image: Image, grace: float) -> None:
        self.each = each
        self.watch = Watch([])
        self._image = image
        self._grace = grace
        self._network: Network | None = None

    def bring(self, stopped: Callable[[], bool]) -> None:
        for host in self.each:
            host.bring(stopped)

    def look(self) -> list[int | None]:
        """Wait for a moment, less where all have ended; gives the exit codes, None of those that run."""
        processes = [host.process for host in self.each if host.process]
        running = next((process for process in processes if process.poll() is None), None)
        if running:
            running.wait(_GLANCE)
        return [process.poll() for process in processes]

    def failure(self) -> str | None:
        return next((why for host in self.each if (why := host.failure())), None)

    def out_of_memory(self) -> bool:
        """Say whether the program of one was ended for its memory."""
        return any(host.process.out_of_memory() for host in self.each if host.process)

    def stop(self, hurried: Callable[[], bool]) -> None:
        """Ask all to end, and kill those that have not when their grace has ended."""
        for host in self.each:
            if host.process:
                host.process.signal(signal.SIGTERM)
        deadline = time.monotonic() + self._grace
        while None in self.look() and time.monotonic() < deadline and not hurried():
            pass
        self.kill()

    def kill(self) -> None:
        for host in self.each:
            host.kill()

    def close(self) -> None:
        self.watch.stop()
        for host in self.each:
            host.close()
        network, self._network = self._network, None
        if network:
            network.close()

    def _start(self, start: Callable[[Each, Place], sandbox.Process]) -> None:
        """Start the program on every host, on none before all can be reached."""
        started = [start(host, place) for host, place in zip(self.each, self._places(), strict=True)]
        self.watch = Watch([folder for host in self.each for folder in host.synced])
        for process in started if self._network else ():  # one that is alone has begun
            process.begin()

    def _places(self) -> list[Place]:
        """Lay the network, where there is more than one host; gives each its place."""
        if len(self.each) == 1:
            return [self._image]
        network = self._network = self._image.network([host.name for host in self.each])
        return [network.place(host.name) for host in self.each]
