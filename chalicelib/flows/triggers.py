"""An event without its trigger: which of app.py's functions it would wake, and what that hands on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from chalicelib import deliver, events
from chalicelib.errors import InvalidError
from chalicelib.events import Event
from chalicelib.model import S3Object
from chalicelib.wiring import Flows

TICK = "Scheduled Event"
_MESSAGE = "simulated"


@dataclass(frozen=True, slots=True)
class Trigger:
    """Who sends such events (None: any program but AWS's own services), and what is done with one."""

    source: str | None
    hand_on: Callable[[Flows, Event], object]

    def hears(self, source: str) -> bool:
        return source == self.source if self.source else bool(source) and not source.startswith("aws.")


def hand_on(flows: Flows, event: Event) -> object:
    """Hand an event to the flows as the function that it triggers does; InvalidError where it triggers none."""
    kind, source = str(event.get("detail-type", "")), str(event.get("source", ""))
    trigger = _TRIGGERS.get(kind)
    if trigger is None or not trigger.hears(source):
        known = ", ".join(f'"{name}"' for name in _TRIGGERS)
        raise InvalidError(f'Nothing here hears an event "{kind}" from "{source}"; what is heard: {known}.')
    return trigger.hand_on(flows, event)


def arrivals(there: Iterable[S3Object]) -> Event:
    """Make the batch that the arrival of these objects would have become."""
    return _queued(*(_created(it) for it in there))


def _created(it: S3Object) -> Event:
    at = datetime.fromtimestamp(it.modified, UTC).isoformat()
    return {"time": at, "detail-type": "Object Created", "detail": {"object": {"key": it.key, "size": it.size}}}


def _queued(*seen: Event) -> Event:
    """Put events into a batch, as the queue before the function does; InvalidError if no flow could read them."""
    batch = {"Records": [{"messageId": _MESSAGE, "body": json.dumps(each)} for each in seen]}
    if events.unreadable(batch):
        raise InvalidError('An "Object Created" event has a time and a detail.object.key.')
    return batch


def _requested(flows: Flows, event: Event) -> None:
    asked, detail = events.run_requested(event), event["detail"]
    said, here = detail.get("deployment"), flows.world.settings.names.deployment
    if said != here:
        raise InvalidError(f"The event's detail.deployment is {said!r}; here is the deployment {here!r}.")
    deliver.run_requested(flows, asked)


_TRIGGERS: Mapping[str, Trigger] = {
    "Object Created": Trigger("aws.s3", lambda flows, event: deliver.uploads(flows, _queued(event))),
    "SageMaker Training Job State Change": Trigger(
        "aws.sagemaker", lambda flows, event: deliver.job(flows, events.job_changed(event))
    ),
    "SageMaker Endpoint State Change": Trigger(
        "aws.sagemaker", lambda flows, event: deliver.endpoint(flows, events.endpoint_changed(event))
    ),
    "SageMaker Model Package State Change": Trigger(
        "aws.sagemaker", lambda flows, event: deliver.package(flows, events.package_changed(event))
    ),
    "Dropforge Run Requested": Trigger(None, _requested),
    TICK: Trigger("aws.events", lambda flows, _: deliver.tick(flows)),
}
"""By detail type; the filters on names stand in app.py, and a stranger's name is nobody's in the flows, too."""
