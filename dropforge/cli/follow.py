"""Follow a dataset and its run as they go: what changed between two looks, as values to show."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dropforge.cli.api import Api
from dropforge.cli.errors import CliError, FailedError, RefusedError, RejectedError, UsageError

STAGES = (
    "settling",
    "preparing",
    "training",
    "evaluating",
    "registered",
    "pending",
    "rehearsing",
    "rolling-out",
    "live",
)
"""The way of a drop, in order; some are passed too quickly to be seen, or skipped."""
ENDS = frozenset({"live", "replaced", "release-failed", "rejected", "failed", "stopped", "refused", "superseded"})

_PROGRESS = re.compile(r"dropforge\.progress=(?P<share>[0-9.]+)\s*(?P<note>.*)")
_METRIC = re.compile(r"dropforge\.metric (?P<name>[^\s=]+)=(?P<value>\S+)")


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
    """Read a log line: progress and metrics are lines, too."""
    text = str(line["text"]).rstrip()
    if found := _PROGRESS.fullmatch(text):
        return Progressed(float(found["share"]), found["note"])
    if found := _METRIC.fullmatch(text):
        return Measured(found["name"], float(found["value"]))
    return Said(text, str(line.get("at") or ""))


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
        self._shown: tuple[str, str] | None = None

    def changes(self, *, seconds: float | None = None) -> Iterator[Change | None]:
        """Yield what changes, and None after each look; ends with the run, or after so many seconds."""
        end = None if seconds is None else time.monotonic() + seconds
        while end is None or time.monotonic() < end:
            yield from self._look()
            if self.stage in ENDS:
                return
            yield None
            time.sleep(self.pause)

    @property
    def stage(self) -> str:
        return self._shown[0] if self._shown else ""

    def _look(self) -> Iterator[Change]:
        if self.run is None:
            yield from self._look_at_dataset()
        if self.run is not None:
            yield from self._look_at_run(self.run)

    def _look_at_dataset(self) -> Iterator[Change]:
        pipeline, _, name = (self.dataset or "").partition("/")
        self.last = self.api.find("v1", "datasets", pipeline, name) or {}
        state = str(self.last.get("state") or "collecting")
        if self.last.get("run") and state == "sealed":
            self.run = str(self.last["run"])
            return
        ended = state in {"refused", "superseded"}
        note = self.last.get("reason") if ended else self.last.get("waiting")
        yield from self._stage(state if ended else "settling", str(note or ""))

    def _look_at_run(self, run: str) -> Iterator[Change]:
        self.last = self.api.get("v1", "runs", run)
        yield from self._log(run)
        candidate = self.last.get("candidate") or {}
        stage = str(self.last["stage"])
        note = self.last.get("reason") or (candidate.get("secondary") if stage == "training" else "") or ""
        yield from self._stage(stage, str(note))

    def _log(self, run: str) -> Iterator[Change]:
        while (self.last.get("candidate") or {}).get("status"):
            page = self.api.get("v1", "runs", run, "log", next=self._token)
            yield from (read_line(line) for line in page["lines"])
            token, self._token = self._token, page.get("next") or self._token
            if not page["lines"] or token == self._token:
                return

    def _stage(self, stage: str, note: str) -> Iterator[Change]:
        if (stage, note) != self._shown:
            self._shown = (stage, note)
            yield StageReached(stage, note)


def outcome(seen: dict[str, Any], stage: str) -> CliError | None:
    """Say, as the error of its exit code, why a run or dataset did not become what it should; None if it did."""
    told = str(seen.get("reason") or (seen.get("release") or {}).get("reason") or "no reason is known").rstrip(".")
    advice = f" {seen['todo']}" if seen.get("todo") else ""
    name = f"run {seen['run']}" if seen.get("stage") else f"dataset {seen.get('dataset')}"
    match stage:
        case "refused":
            return RefusedError(f"The {name} was refused: {told}.{advice}")
        case "rejected":
            return RejectedError(f"The {name} was rejected by its gate: {told}.{advice}")
        case "failed" | "stopped" | "release-failed":
            words = {"failed": "failed", "stopped": "was stopped", "release-failed": "was not released"}
            return FailedError(f"The {name} {words[stage]}: {told}.{advice}")
        case "superseded":
            return FailedError(f"The {name} was superseded by a newer drop.")
        case _:
            return None


def resolve(api: Api, text: str) -> Follower:
    """Find what a user means by RUN: twelve hex digits, a unique beginning of them, `latest`, or `pipeline/dataset`."""
    if "/" in text:
        return Follower(api, dataset=text, pause=1)
    if text == "latest":
        newest = next(iter(api.listed("runs", limit=1)), None)
        if newest is None:
            raise UsageError("There are no runs yet: drop a dataset first.")
        return Follower(api, run=newest["run"], pause=1)
    digits = text.removeprefix("v1") if len(text) > 12 else text  # noqa: PLR2004 -- the length of a run's short name
    if not re.fullmatch(r"[0-9a-f]+", digits):
        raise UsageError(f"{text!r} names no run: give its hex digits, `latest`, or `pipeline/dataset`.")
    if len(digits) >= 12:  # noqa: PLR2004 -- see above
        return Follower(api, run=digits[:12], pause=1)
    found = [run["run"] for run in api.listed("runs", limit=1000) if run["run"].startswith(digits)]
    if len(found) != 1:
        trouble = (
            f"{len(found)} runs begin with {digits}: give more digits." if found else f"No run begins with {digits}."
        )
        raise UsageError(trouble)
    return Follower(api, run=found[0], pause=1)
