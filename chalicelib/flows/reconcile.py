"""The schedule's move: what every event would have done, for everything that is open and due. All events may be lost.

What one tick reads is bounded: some due items of each kind, a page of rehearsals, a few pages of the sweep. Finished
items are never read. A tick that takes longer than the minute is left alone by those that follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import zip_longest
from typing import Protocol

from aws_lambda_powertools import Logger

from chalicelib.flows.sweep import Datasets as SweptDatasets
from chalicelib.flows.sweep import Pipelines as SweptPipelines
from chalicelib.flows.sweep import Sweep
from chalicelib.lines import FAILED, named
from chalicelib.model import DatasetId
from chalicelib.ports import Bucket, Clock, Records

log = Logger(service="dropforge", child=True)

KINDS = ("pipeline", "dataset", "run", "release")
ITEMS = 1000
"""Of each kind in one tick, if its time allows: a thousand pipelines with something open, whatever it is."""
SECONDS = 480.0
"""After which a tick begins nothing new: its own time-out is near."""

Take = Callable[[str, Callable[[], object]], object]
"""Takes a step about a subject, and tells what became of it; what the step raises goes on."""

ALIVE = 90.0
"""For which a tick may be at one item; one that is there for longer has died."""

_CURSOR = "reconcile"
_SINCE = "@"
_LEAST, _MOST = 120, 6 * 3600


class Pipelines(SweptPipelines, Protocol):
    def advance(self, name: str) -> None: ...


class Datasets(SweptDatasets, Protocol):
    def advance(self, dataset: DatasetId) -> None: ...
    def check_run(self, run: str) -> bool: ...


class Runs(Protocol):
    def advance(self, run12: str) -> None: ...


class Releases(Protocol):
    def advance(self, pipeline: str) -> None: ...
    def sweep_rehearsals(self) -> tuple[str, ...]: ...


class Outbox(Protocol):
    def send_all(self) -> None: ...


class Reconcile:
    def __init__(
        self,
        *,
        bucket: Bucket,
        records: Records,
        clock: Clock,
        pipelines: Pipelines,
        datasets: Datasets,
        runs: Runs,
        releases: Releases,
        outbox: Outbox,
        take: Take = lambda _, step: step(),
    ) -> None:
        self.records = records
        self.clock = clock
        self.pipelines = pipelines
        self.datasets = datasets
        self.runs = runs
        self.releases = releases
        self.outbox = outbox
        self.take = take
        self.sweep = Sweep(bucket=bucket, records=records, clock=clock, pipelines=pipelines, datasets=datasets)

    def tick(self) -> None:
        """Look at what is due, then for what nobody told of. One failing item stops no other."""
        if not self._is_at_work():
            self._advance_due(self.clock() + SECONDS)
        self._try("rehearsals", self.releases.sweep_rehearsals)
        self._try("sweep", self.sweep.go_on)
        self._try("outbox", self.outbox.send_all)

    def _advance_due(self, end: float) -> None:
        marked = False
        for subject in self._due():
            if self.clock() >= end:
                break
            # Written ahead, so that an item which kills the process is put off by a later tick.
            self.records.move_cursor(_CURSOR, f"{subject}{_SINCE}{self.clock():.0f}")
            marked = True
            self._try(subject, lambda it=subject: self.advance(it))  # type: ignore[misc] # bound for this turn
        if marked:
            self.records.move_cursor(_CURSOR, "")

    def advance(self, subject: str) -> None:
        """Advance what a subject names (the subjects of ports.Timer)."""
        kind, _, name = subject.partition(":")
        match kind:
            case "pipeline":
                self.pipelines.advance(name)
            case "dataset":
                self.datasets.advance(_dataset_id(name))
            case "run":
                if self.datasets.check_run(name):
                    self.runs.advance(name)
            case _:
                self.releases.advance(name)

    def _due(self) -> Iterator[str]:
        """Name what is due, in turns, another kind first each minute: a tick that runs out of time starves none."""
        now = self.clock()
        first = int(now // 60) % len(KINDS)
        found = (self.records.due(kind, now, limit=ITEMS) for kind in KINDS[first:] + KINDS[:first])
        return (subject for turn in zip_longest(*found) for subject in turn if subject is not None)

    def _is_at_work(self) -> bool:
        """Tell whether another tick is; an item at which one died is put off."""
        subject, _, since = self.records.cursor(_CURSOR).rpartition(_SINCE)
        if not subject:
            return False
        if self.clock() < float(since) + ALIVE:
            return True
        log.error("A tick died here", step="reconcile", outcome=FAILED, **named(subject))
        self._put_off(subject)
        self.records.move_cursor(_CURSOR, "")
        return False

    def _try(self, subject: str, step: Callable[[], object]) -> None:
        try:
            self.take(subject, step)
        except Exception:  # noqa: BLE001 -- the edge of an item: its line has told, and it keeps no other waiting
            self._put_off(subject)

    def _put_off(self, subject: str) -> None:
        """Move a failing item behind the others, the further the longer it has stood still."""
        try:
            self._move_due(subject)
        except Exception:  # as above; it is due still, and the next tick meets it again
            log.exception("Putting off failed", step="put-off", outcome=FAILED, **named(subject))

    def _move_due(self, subject: str) -> None:
        kind, _, name = subject.partition(":")
        now = self.clock()
        match kind:
            case "pipeline":
                if (it := self.records.pipeline(name)) and it.due is not None:
                    self.records.save(replace(it, due=_later(it.last_seen, now)))
            case "dataset":
                if (found := self.records.dataset(_dataset_id(name))) and found.due is not None:
                    self.records.save(replace(found, due=_later(found.last_seen, now)))
            case "run":
                if (run := self.records.run(name)) and run.due is not None:
                    self.records.save(replace(run, due=_later(run.created_at, now)))
            case "release":
                if (release := self.records.release(name)) and release.due is not None:
                    self.records.save(replace(release, due=_later(release.stage_since or now, now)))
            case _:
                pass


def _later(since: float, now: float) -> float:
    return now + min(max((now - since) / 8, _LEAST), _MOST)


def _dataset_id(name: str) -> DatasetId:
    pipeline, _, dataset = name.partition("/")
    return DatasetId(pipeline, dataset)
