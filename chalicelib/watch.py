"""The table, watched: what a step reads and saves is what its log line and its counts tell.

Only a save that the table took is told of, and the condition on `rev` lets one worker alone make it, however many look
and however often an event comes. So nothing is counted twice; what a process that dies right after its save did not
print is not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast

from chalicelib.model import Dataset, DatasetId, PipelineRecord, Release, Run
from chalicelib.names import run12
from chalicelib.ports import Records, Stored

if TYPE_CHECKING:
    from chalicelib.wiring import Ports

Machine = Dataset | Run | Release | PipelineRecord
Saved = Callable[[Machine | None, Machine], None]
"""Is told what was stored (None: nothing) and what is stored now."""
Found = TypeVar("Found", Dataset | None, Run | None, Release | None, PipelineRecord | None)


@dataclass(slots=True)
class Notes:
    """What one step has met, by subject (as in ports.Timer)."""

    saved: Saved
    seen: dict[str, Machine] = field(default_factory=dict)
    """As last read or saved."""
    first: dict[str, Machine | None] = field(default_factory=dict)
    """What was saved: as it was before."""
    within: bool = False
    """Whether a step within this one has saved something."""

    @property
    def acted(self) -> bool:
        return self.within or bool(self.first)


class Watch:
    """Keeps notes of the step that is under way, and of nothing where none is; one thread alone works in it."""

    def __init__(self) -> None:
        self._notes: Notes | None = None

    @contextmanager
    def step(self, saved: Saved) -> Iterator[Notes]:
        """Begin a page. What a step within this step does stands on a page of its own."""
        outer, notes = self._notes, Notes(saved)
        self._notes = notes
        try:
            yield notes
        finally:
            self._notes = outer
            if outer:
                outer.within = outer.acted or notes.acted

    def read(self, item: Found) -> Found:
        if item is not None and self._notes is not None:
            self._notes.seen[subject_of(item)] = item
        return item

    def save(self, item: Stored, act: Callable[[Stored], Stored]) -> Stored:
        """Save by `act`. An item that this step has not read counts for nothing: nobody knows what it was."""
        notes, subject = self._notes, subject_of(item)
        before = notes.seen.get(subject) if notes else None
        saved = act(item)
        if notes and (before.rev if before else 0) == item.rev:
            notes.first.setdefault(subject, before)
            notes.saved(before, saved)
        if notes:
            notes.seen[subject] = saved
        return saved


class WatchedRecords:
    """Stands before the table: the methods below are watched, all others are the table's own."""

    def __init__(self, records: Records, watch: Watch) -> None:
        self._records = records
        self._watch = watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._records, name)

    def dataset(self, dataset: DatasetId) -> Dataset | None:
        return self._watch.read(self._records.dataset(dataset))

    def run(self, run: str) -> Run | None:
        return self._watch.read(self._records.run(run))

    def release(self, pipeline: str) -> Release | None:
        return self._watch.read(self._records.release(pipeline))

    def pipeline(self, name: str) -> PipelineRecord | None:
        return self._watch.read(self._records.pipeline(name))

    def save(self, item: Stored, *args: Any, **options: Any) -> Stored:
        return self._watch.save(item, lambda it: self._records.save(it, *args, **options))


class WatchedWorld:
    """A world whose table is watched."""

    def __init__(self, world: Ports, watch: Watch) -> None:
        self._world = world
        self._watch = watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, name)

    @cached_property
    def records(self) -> Records:
        return cast("Records", WatchedRecords(self._world.records, self._watch))  # no checker follows __getattr__


def watched(world: Ports, watch: Watch) -> Ports:
    return cast("Ports", WatchedWorld(world, watch))  # as above


def subject_of(item: Machine) -> str:
    match item:
        case Dataset():
            return f"dataset:{item.id}"
        case Run():
            return f"run:{run12(item.id)}"
        case Release():
            return f"release:{item.pipeline}"
        case PipelineRecord():
            return f"pipeline:{item.name}"
