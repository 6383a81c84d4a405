"""The steps of one job, told to the store as they come: its secondary statuses, its times, its end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dropforge.local.sagemaker import events
from dropforge.local.sagemaker.jobs import states
from dropforge.local.sagemaker.store import Doc, Event, Store

KIND = "training-job"
INTERNAL = "InternalServerError: We encountered an internal error. Please try again."
CUT_SHORT = f"{INTERNAL} The local cloud was stopped while the job ran."
_REASON_LENGTH = 1024
_SPOT_PRICE = 0.3
"""What spot instances cost of the full price, more or less: SageMaker tells it by the billable time."""


@dataclass(frozen=True, slots=True)
class End:
    """How a job, or one try of it, ended: its status, the secondary status, and why."""

    status: str
    secondary: str
    reason: str | None = None


def failed(reason: str) -> End:
    return End("Failed", "Failed", reason[:_REASON_LENGTH])


class Steps:
    """Moves one job along."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self.name = name

    def job(self) -> Doc:
        return self._store.get(KIND, self.name) or {}

    def enter(self, secondary: str, message: str | None = None, **more: Any) -> Doc:
        def step(doc: Doc) -> list[Event]:
            doc.update(more)
            if doc["_stop"]:  # its status is Stopping until it is over
                return []
            enter(doc, secondary, message)
            return [events.training(doc)]

        return self._store.change(KIND, self.name, step)

    def begin(self) -> Doc:
        """Note that instances are there: their time counts from now."""
        now = time.time()
        return self.change(lambda doc: doc.update(TrainingStartTime=doc.get("TrainingStartTime", now), _since=now))

    def say(self, message: str) -> None:
        """Tell how the present step goes on."""
        if self.job()["SecondaryStatusTransitions"][-1]["StatusMessage"] != message:
            self.change(lambda doc: doc["SecondaryStatusTransitions"][-1].update(StatusMessage=message))

    def pause(self) -> Doc:
        """Note that the instances are gone."""
        return self.change(_count)

    def stopping(self) -> None:
        """Say that the job is being stopped, though nobody asked for it."""

        def step(doc: Doc) -> list[Event]:
            if doc["_stop"]:
                return []
            doc |= {"TrainingJobStatus": "Stopping"}
            enter(doc, "Stopping")
            return [events.training(doc)]

        self._store.change(KIND, self.name, step)

    def change(self, edit: Callable[[Doc], None]) -> Doc:
        def step(doc: Doc) -> list[Event]:
            edit(doc)
            return []

        return self._store.change(KIND, self.name, step)

    def finish(self, end: End) -> None:
        def step(doc: Doc) -> list[Event]:
            _count(doc)
            doc |= {"TrainingJobStatus": end.status, "TrainingEndTime": time.time()}
            if "TrainingStartTime" in doc:
                doc |= _times(doc)
            if end.reason:
                doc["FailureReason"] = end.reason
            enter(doc, end.secondary, end.reason)
            return [events.training(doc)]

        self._store.change(KIND, self.name, step)


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


def _count(doc: Doc) -> None:
    if since := doc.pop("_since", None):
        doc["_ran"] = doc.get("_ran", 0.0) + time.time() - since


def _times(doc: Doc) -> Doc:
    seconds = math.ceil(doc.get("_ran", 0.0))
    billable = int(seconds * _SPOT_PRICE) if doc.get("EnableManagedSpotTraining") else seconds
    return {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": billable}
