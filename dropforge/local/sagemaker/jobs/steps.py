"""The steps of one job, told to the store as they come: its secondary statuses, its times, its end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from dropforge.local.sagemaker import events
from dropforge.local.sagemaker.jobs import refusals, states
from dropforge.local.sagemaker.kinds.ends import End
from dropforge.local.sagemaker.kinds.kind import FINAL, Kind
from dropforge.local.sagemaker.store import Doc, Event, Store

STOPPED = End("Stopped")
INTERRUPTED = End("InProgress")
"""How a try of a spot job ends whose instances were taken away."""
_SPOT_PRICE = 0.3
"""What spot instances cost of the full price, more or less: SageMaker tells it by the billable time."""


def failed(reason: str) -> End:
    return End("Failed", reason)


def exceeded(what: str) -> End:
    """Give the end of a job whose time is over, with a last secondary status of its own."""
    return End("Stopped", told={"_exceeded": what})


class Steps:
    """Moves one job along."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self.name = name
        self._counted = 0.0

    def job(self) -> Doc:
        return self._store.get(KIND.name, self.name) or {}

    def enter(self, secondary: str, message: str | None = None, **more: Any) -> Doc:
        def step(doc: Doc) -> list[Event]:
            doc.update(more)
            if doc["TrainingJobStatus"] == "Stopping":  # until it is over
                return []
            enter(doc, secondary, message)
            return [events.training(doc)]

        return self._store.change(KIND.name, self.name, step)

    def begin(self) -> Doc:
        """Enter the first step that has instances: their time counts from now."""
        self._counted = time.monotonic()
        return self.enter("Downloading", TrainingStartTime=self.job().get("TrainingStartTime", time.time()))

    def count(self, least: float = 0.0) -> None:
        """Add the time since the last count to what the job ran, if it is so many seconds at least.

        What was not counted when the cloud was killed is lost: nobody can tell when that was.
        """
        now = time.monotonic()
        ran = now - self._counted
        if ran >= least:
            self._counted = now
            self.change(lambda doc: doc.update(_ran=doc.get("_ran", 0.0) + ran))

    def say(self, message: str) -> None:
        """Tell how the present step goes on."""
        if self.job()["SecondaryStatusTransitions"][-1]["StatusMessage"] != message:
            self.change(lambda doc: doc["SecondaryStatusTransitions"][-1].update(StatusMessage=message))

    def stopping(self, end: End) -> None:
        """Say that the job is being stopped, though nobody may have asked for it; another life knows what for."""

        def step(doc: Doc) -> list[Event]:
            doc |= end.told
            if doc["TrainingJobStatus"] == "Stopping":
                return []
            doc |= {"TrainingJobStatus": "Stopping"}
            enter(doc, "Stopping")
            return [events.training(doc)]

        self._store.change(KIND.name, self.name, step)

    def change(self, edit: Callable[[Doc], None]) -> Doc:
        def step(doc: Doc) -> list[Event]:
            edit(doc)
            return []

        return self._store.change(KIND.name, self.name, step)


def enter(doc: Doc, secondary: str, message: str | None = None) -> None:
    """Move a job to its next secondary status, and keep the time of the step."""
    now = time.time()
    if doc["SecondaryStatusTransitions"]:
        doc["SecondaryStatusTransitions"][-1]["EndTime"] = now
    step: Doc = {"Status": secondary, "StartTime": now, "StatusMessage": message or states.MESSAGES[secondary]}
    if secondary in states.LAST:
        step["EndTime"] = now
    doc["SecondaryStatusTransitions"].append(step)
    doc |= {"SecondaryStatus": secondary, "LastModifiedTime": now}


def _times(doc: Doc) -> Doc:
    seconds = math.ceil(doc.get("_ran", 0.0))
    billable = int(seconds * _SPOT_PRICE) if doc.get("EnableManagedSpotTraining") else seconds
    return {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": billable}


def _moved(doc: Doc) -> None:
    """Enter the step that a new status begins with; the last one tells how long there were instances."""
    status: str = doc["TrainingJobStatus"]
    if status not in FINAL:
        enter(doc, "Starting" if status == "InProgress" else status)
        return
    if "TrainingStartTime" in doc:
        doc |= _times(doc)
    enter(doc, doc.get("_exceeded", status) if status == "Stopped" else status)


KIND = Kind(
    name="training-job",
    noun="TrainingJob",
    started="TrainingStartTime",
    ended="TrainingEndTime",
    listed="TrainingJobSummaries",
    summary=(
        "TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingEndTime", "LastModifiedTime",
        "TrainingJobStatus", "SecondaryStatus",
    ),
    event=events.training,
    taken=refusals.TAKEN,
    missing=refusals.MISSING,
    over=refusals.ENDED,
    moved=_moved,
    folder="jobs",
)  # fmt: skip
