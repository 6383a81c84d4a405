"""Follow a dataset and its run as they go: what changed between two looks, as values to show."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from dropforge.cli.api import Api

STAGES = (
    "settling",
    "preparing",
    "training",
    "evaluating",
    "registered",
    "awaiting-approval",
    "pending",
    "rehearsing",
    "rolling-out",
    "live",
)
"""The way of a drop, in order; some are passed too quickly to be seen, or skipped."""
AWAITING = "awaiting-approval"
"""Where a run stays until a person approves or rejects its model."""
ENDS = frozenset({"live", "replaced", "undeployed", "release-failed", "rejected", "failed", "stopped", "refused"})

_BEGUN_BY = {
    "training started": "training",
    "training completed": "evaluating",
    "registered": "registered",
    "release: rehearsing": "rehearsing",
    "release: rehearsal passed": "rolling-out",
    "release: live": "live",
}
"""The lines of a run's timeline with which its stages begin."""

_NUMBER = r"([0-9]+\.?[0-9]*|\.[0-9]+)"
_PROGRESS = re.compile(rf"dropforge\.progress=(?P<share>{_NUMBER})(\s+(?P<note>.*))?")
_METRIC = re.compile(rf"dropforge\.metric (?P<name>[^\s=]+)=(?P<value>[-+]?{_NUMBER}([eE][-+]?[0-9]+)?|nan|-?inf)")


@dataclass(frozen=True, slots=True)
class StageReached:
    stage: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """A line of the training job's log."""

    text: str
    at: str = ""


@dataclass(frozen=True, slots=True)
class Progressed:
    share: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    name: str
    value: float


Change = StageReached | Said | Progressed | Measured


def read_line(line: dict[str, Any]) -> Change:
    """Read a log line: progress and metrics are lines, too. What has no number where one belongs is a line alone."""
    text = str(line["text"]).rstrip()
    if found := _PROGRESS.fullmatch(text):
        return Progressed(float(found["share"]), found["note"] or "")
    if found := _METRIC.fullmatch(text):
        return Measured(found["name"], float(found["value"]))
    return Said(text, str(line.get("at") or ""))


def _stage_passed(entry: dict[str, Any]) -> StageReached | None:
    """Read from a line of a run's timeline which stage began with it."""
    stage = _BEGUN_BY.get(str(entry["what"]))
    facts = entry.get("facts") or {}
    note = facts.get("gate") if stage == "registered" else facts.get("endpoint") or facts.get("on")
    return StageReached(stage, str(note or "")) if stage else None


def _newest(changes: list[Change]) -> Iterator[Change]:
    """Leave out progress that later progress overtook before anybody looked."""
    for change, following in zip_longest(changes, changes[1:]):
        if not (isinstance(change, Progressed) and isinstance(following, Progressed)):
            yield change


def _is_before(stage: str, other: str) -> bool:
    return stage in STAGES and other in STAGES and STAGES.index(stage) < STAGES.index(other)


class Follower:
    """Looks again and again at one dataset or run, until the run ends or nobody asks any more."""

    def __init__(self, api: Api, *, dataset: str | None = None, run: str | None = None, pause: float) -> None:
        """Follow a run by its twelve digits, or a dataset (`pipeline/name`) and the run that it becomes."""
        self.api = api
        self.dataset = dataset
        self.run = run
        self.pause = pause
        self.last: dict[str, Any] = {}
        """The dataset, later the run, as last seen."""
        self._token: str | None = None
        self._present = ""
        self._shown: tuple[str, str] | None = None
        self._entries = 0

    def changes(self, *, seconds: float | None = None) -> Iterator[Change | None]:
        """Yield what changes, and None after each look; ends with the run, or after so many seconds."""
        end = None if seconds is None else time.monotonic() + seconds
        while end is None or time.monotonic() < end:
            yield from self._look()
            yield None
            if self.ended:
                return
            time.sleep(self.pause)

    def look(self) -> None:
        """Look once at the run, or at the dataset where no run is there yet: `last` is what was seen."""
        if self.run is None:
            deque(self._look_at_dataset(), maxlen=0)
        if self.run is not None:
            self.last = self.api.get("v1", "runs", self.run)

    @property
    def stage(self) -> str:
        """Where it is now; what its timeline tells of may be long past, and come again."""
        return self._present

    @property
    def ended(self) -> bool:
        """Whether nothing more will come: the run has ended, its dataset was refused, or it has no release to go to."""
        return self.stage in ENDS or self.stays_registered

    @property
    def stays_registered(self) -> bool:
        """Whether the model is registered for good: a run is saved as registered only after its release knows of it."""
        seen = self.last
        return {seen.get("state"), seen.get("stage")} == {"registered"} and seen.get("release") is None

    def _look(self) -> Iterator[Change]:
        if self.run is None:
            yield from self._look_at_dataset()
        if self.run is not None:
            yield from self._look_at_run(self.run)

    def _look_at_dataset(self) -> Iterator[Change]:
        pipeline, _, name = (self.dataset or "").partition("/")
        self.last = self.api.find("v1", "datasets", pipeline, name) or {}
        if not self.last:
            return
        state = str(self.last.get("state") or "collecting")
        if self.last.get("run") and state == "sealed":
            self.run = str(self.last["run"])
            if self._shown is None:
                # It settled before anybody looked.
                yield from self._stage("settling", "")
            return
        refused = state == "refused"
        self._present = state if refused else "settling"
        note = self.last.get("reason") if refused else self.last.get("waiting")
        yield from self._stage(self._present, str(note or ""))

    def _look_at_run(self, run: str) -> Iterator[Change]:
        self.last = self.api.get("v1", "runs", run)
        passed = [each for entry in self._new_entries() if (each := _stage_passed(entry))]
        # The log belongs to the training: what led to it comes first, what followed it comes last.
        yield from self._pass(each for each in passed if each.stage == "training")
        yield from self._log(run)
        yield from self._pass(each for each in passed if each.stage != "training")
        candidate = self.last.get("candidate") or {}
        self._present = stage = str(self.last["stage"])
        if passed and _is_before(stage, passed[-1].stage):
            return  # the timeline was read a moment later than the run: the next look shows both
        told = self.last.get("reason") or (self.last.get("release") or {}).get("reason")
        if stage == AWAITING:
            told = f"{told} {self.last.get('todo') or ''}".strip()
        note = told or (candidate.get("secondary") if stage == "training" else "") or ""
        if note or self._shown is None or stage != self._shown[0]:
            yield from self._stage(stage, str(note))

    def _new_entries(self) -> list[dict[str, Any]]:
        """Give what the timeline says beyond the last look: stages that pass quickly are seen there alone."""
        entries = list(self.last.get("timeline", ()))
        new, self._entries = entries[self._entries :], len(entries)
        return new

    def _pass(self, passed: Iterable[StageReached]) -> Iterator[Change]:
        for each in passed:
            yield from self._stage(each.stage, each.note)

    def _log(self, run: str) -> Iterator[Change]:
        while (self.last.get("candidate") or {}).get("status"):
            page = self.api.get("v1", "runs", run, "log", next=self._token)
            yield from _newest([read_line(line) for line in page["lines"]])
            token, self._token = self._token, page.get("next") or self._token
            if not page["lines"] or token == self._token:
                return

    def _stage(self, stage: str, note: str) -> Iterator[Change]:
        if (stage, note) != self._shown:
            self._shown = (stage, note)
            yield StageReached(stage, note)
