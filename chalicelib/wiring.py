"""Who gets what: the rooms are joined here by hand, each when it is first asked for.

A function pays only for the rooms it enters: to read a run needs neither the pipeline schema nor SageMaker's client.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, cached_property
from typing import TYPE_CHECKING, Protocol

from aws_lambda_powertools import Logger

from chalicelib import lines
from chalicelib.errors import ThrottledError, UnavailableError
from chalicelib.model import Command, DatasetId, Run
from chalicelib.ports import Bucket, Bus, Clock, Hosting, Jobs, Mail, Records, Registry, Timer
from chalicelib.settings import Settings
from chalicelib.watch import Watch, watched

if TYPE_CHECKING:
    from chalicelib.aws.clients import Clients
    from chalicelib.flows.datasets import Datasets
    from chalicelib.flows.notices import Notices
    from chalicelib.flows.outbox import Outbox
    from chalicelib.flows.pauses import Pauses
    from chalicelib.flows.pipelines import Pipelines
    from chalicelib.flows.reconcile import Reconcile
    from chalicelib.flows.releases import Releases
    from chalicelib.flows.report import Report
    from chalicelib.flows.run_orders import RunOrders
    from chalicelib.flows.runs import Runs
    from chalicelib.flows.start import Starts
    from chalicelib.flows.versions import Versions

log = Logger(service="dropforge", child=True)


class Ports(Protocol):
    """The world as the flows see it; AWS and the tests' world in memory both have this form."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def bucket(self) -> Bucket: ...
    @property
    def records(self) -> Records: ...
    @property
    def bus(self) -> Bus: ...
    @property
    def mail(self) -> Mail: ...
    @property
    def timer(self) -> Timer: ...
    @property
    def jobs(self) -> Jobs: ...
    @property
    def registry(self) -> Registry: ...
    @property
    def hosting(self) -> Hosting: ...


class Aws:
    """AWS, or whatever answers at AWS_ENDPOINT_URL or through other clients; one is made when its first call is."""

    def __init__(self, settings: Settings, clients: Clients | None = None, clock: Clock = time.time) -> None:
        self.settings = settings
        self.clients = clients
        self.clock = clock

    @cached_property
    def bucket(self) -> Bucket:
        from chalicelib.aws.bucket import Bucket

        return Bucket(self.settings, self.clients)

    @cached_property
    def records(self) -> Records:
        from chalicelib.aws.records import Records

        return Records(self.settings, self.clients, self.clock)

    @cached_property
    def bus(self) -> Bus:
        from chalicelib.aws.bus import Bus

        return Bus(self.settings, self.clients)

    @cached_property
    def mail(self) -> Mail:
        from chalicelib.aws.mail import Mail

        return Mail(self.settings, self.clients)

    @cached_property
    def timer(self) -> Timer:
        from chalicelib.aws.timer import Timer

        return Timer(self.settings, self.clients)

    @cached_property
    def jobs(self) -> Jobs:
        from chalicelib.aws.jobs import Jobs

        return Jobs(self.settings, self.clients)

    @cached_property
    def registry(self) -> Registry:
        from chalicelib.aws.registry import Registry

        return Registry(self.settings, self.clients)

    @cached_property
    def hosting(self) -> Hosting:
        from chalicelib.aws.hosting import Hosting

        return Hosting(self.settings, self.clients)


class Flows:
    """The rooms over one world; what one room says to another goes through the private methods here."""

    def __init__(self, world: Ports) -> None:
        self.watch = Watch()
        self.world = watched(world, self.watch)

    @cached_property
    def pipelines(self) -> Pipelines:
        from chalicelib.flows.pipelines import Pipelines

        world = self.world
        return Pipelines(
            bucket=world.bucket,
            records=world.records,
            timer=world.timer,
            clock=world.clock,
            settings=world.settings,
            versions=self.versions,
            on_accepted=self._accepted,
        )

    @cached_property
    def datasets(self) -> Datasets:
        from chalicelib.flows.datasets import Datasets

        world = self.world
        return Datasets(
            bucket=world.bucket,
            records=world.records,
            timer=world.timer,
            clock=world.clock,
            settings=world.settings,
            versions=self.versions,
            report=self.report,
            run_ready=self._run_ready,
        )

    @cached_property
    def runs(self) -> Runs:
        from chalicelib.flows.comparing import compare
        from chalicelib.flows.runs import Runs

        world = self.world
        return Runs(
            bucket=world.bucket,
            records=world.records,
            timer=world.timer,
            clock=world.clock,
            settings=world.settings,
            versions=self.versions,
            jobs=world.jobs,
            registry=world.registry,
            report=self.report,
            propose=self._propose,
            compare=compare,
        )

    @cached_property
    def releases(self) -> Releases:
        from chalicelib.flows.releases import Releases

        world = self.world
        return Releases(
            bucket=world.bucket,
            records=world.records,
            timer=world.timer,
            clock=world.clock,
            settings=world.settings,
            versions=self.versions,
            hosting=world.hosting,
            registry=world.registry,
            report=self.report,
        )

    @cached_property
    def reconcile(self) -> Reconcile:
        from chalicelib.flows.reconcile import Reconcile

        world = self.world
        return Reconcile(
            bucket=world.bucket,
            records=world.records,
            clock=world.clock,
            pipelines=self.pipelines,
            datasets=self.datasets,
            runs=self.runs,
            releases=self.releases,
            outbox=self.outbox,
            take=lambda subject, step: lines.take(self, "reconcile", subject, step),
        )

    @cached_property
    def outbox(self) -> Outbox:
        from chalicelib.flows.outbox import Outbox

        return Outbox(records=self.world.records, bus=self.world.bus, clock=self.world.clock)

    @cached_property
    def run_orders(self) -> RunOrders:
        from chalicelib.flows.run_orders import RunOrders

        world = self.world
        return RunOrders(
            records=world.records,
            registry=world.registry,
            timer=world.timer,
            advance=self.runs.advance,
            propose=self._propose,
            held=self.datasets.seals.handover.held,
        )

    @cached_property
    def pauses(self) -> Pauses:
        from chalicelib.flows.pauses import Pauses

        return Pauses(records=self.world.records, timer=self.world.timer, clock=self.world.clock)

    @cached_property
    def starts(self) -> Starts:
        from chalicelib.flows.sight import Sight
        from chalicelib.flows.start import Starts

        world = self.world
        sight = Sight(bucket=world.bucket, records=world.records, versions=self.versions)
        return Starts(records=world.records, settings=world.settings, sight=sight, advance=self._asked)

    @cached_property
    def notices(self) -> Notices:
        from chalicelib.flows.notices import Notices

        return Notices(mail=self.world.mail, clock=self.world.clock, settings=self.world.settings)

    @cached_property
    def versions(self) -> Versions:
        from chalicelib.flows.versions import Versions

        return Versions(bucket=self.world.bucket)

    @cached_property
    def report(self) -> Report:
        from chalicelib.flows.report import Report

        return Report(bucket=self.world.bucket, records=self.world.records, clock=self.world.clock)

    def _run_ready(self, run12: str) -> None:
        """Let a new run take its first step. The dataset is sealed already: should this fail, the reconcile goes on."""
        try:
            self.runs.advance(run12)
        except Exception:  # whatever it was, the seal stands: the run is due, and comes again
            told = "A new run did not start at once; the reconcile takes it up"
            log.exception(told, step="run-ready", outcome=lines.AGAIN, run=run12)

    def _asked(self, dataset: DatasetId) -> None:
        """Let a dataset seal that somebody asked for. That stands already: where it cannot now, it is woken."""
        try:
            self.datasets.advance(dataset)
        except (ThrottledError, UnavailableError):
            told = "What was asked for did not start at once; it is woken"
            log.exception(told, step="start", outcome=lines.AGAIN, dataset=str(dataset), pipeline=dataset.pipeline)
            self.world.timer.wake(f"dataset:{dataset}", seconds=0)

    def _propose(self, run: Run, wanted: Command | None = None, cause: str = "approved") -> None:
        """Let a registered run ask for its pipeline's release; a failure rises, so that the run asks again."""
        self.releases.propose(run, wanted, cause)

    def _accepted(self, pipeline: str) -> None:
        """Tell the release of a new pipeline version, and the datasets that waited for one."""
        self.releases.update(pipeline)
        self.datasets.pipeline_accepted(pipeline)


def build(settings: Settings) -> Flows:
    return Flows(Aws(settings))


_in_use: list[Flows] = []


def flows() -> Flows:
    """Give the rooms of this process: those in use, else those that the environment asks for, built once."""
    return _in_use[-1] if _in_use else _from_environment()


@cache
def _from_environment() -> Flows:
    return build(Settings.from_env(os.environ))


@contextmanager
def use(rooms: Flows) -> Iterator[Flows]:
    """Let every handler meet these rooms instead: how tests put a world in memory behind the real app."""
    _in_use.append(rooms)
    try:
        yield rooms
    finally:
        _in_use.remove(rooms)
