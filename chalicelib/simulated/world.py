"""All ports of a simulation over those of a real world."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from chalicelib.news import Origin
from chalicelib.simulated.journal import Journal
from chalicelib.simulated.overlay import Other, SimulatedBucket, SimulatedBus, SimulatedMail, SimulatedTimer
from chalicelib.simulated.records import SimulatedRecords
from chalicelib.simulated.sagemaker import SimulatedHosting, SimulatedJobs, SimulatedRegistry

if TYPE_CHECKING:
    from chalicelib.wiring import Ports


class SimulatedWorld:
    """A world whose writes stay in its journal, whatever ports the real one has or will have."""

    def __init__(self, real: Ports, journal: Journal) -> None:
        self._real = real
        self._journal = journal
        self.settings = real.settings
        self.clock = journal.clock

    @cached_property
    def bucket(self) -> SimulatedBucket:
        return SimulatedBucket(self._real.bucket, self._journal)

    @cached_property
    def records(self) -> SimulatedRecords:
        origin = Origin(self.settings.names.deployment, self.settings.stage, self.settings.bucket)
        return SimulatedRecords(self._real.records, self._journal, origin)

    @cached_property
    def timer(self) -> SimulatedTimer:
        return SimulatedTimer(self._real.timer, self._journal)

    @cached_property
    def bus(self) -> SimulatedBus:
        return SimulatedBus(self._real.bus, self._journal)

    @cached_property
    def mail(self) -> SimulatedMail:
        return SimulatedMail(None, self._journal)

    @cached_property
    def jobs(self) -> SimulatedJobs:
        return SimulatedJobs(self._real.jobs, self._journal)

    @cached_property
    def registry(self) -> SimulatedRegistry:
        return SimulatedRegistry(self._real.registry, self._journal)

    @cached_property
    def hosting(self) -> SimulatedHosting:
        return SimulatedHosting(self._real.hosting, self._journal)

    def __getattr__(self, port: str) -> Any:
        """Give a port that has no overlay of its own: nothing of it passes through."""
        if port.startswith("_"):
            raise AttributeError(port)
        return Other(port, None, self._journal)
