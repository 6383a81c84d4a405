"""An event without its trigger: what the function that it would wake hands on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from chalicelib import deliver
from chalicelib.errors import InvalidError
from chalicelib.events import EndpointChanged, Heard, JobChanged, PackageChanged, RunRequested, Ticked, UploadSeen
from chalicelib.model import S3Object
from chalicelib.wiring import Flows


def hand_on(flows: Flows, heard: Heard) -> bool:
    """Hand an event to the flows as the function that it triggers does; tell whether it would come again."""
    match heard:
        case UploadSeen():
            return bool(deliver.arrived(flows, [heard]))
        case JobChanged():
            deliver.job(flows, heard)
        case EndpointChanged():
            deliver.endpoint(flows, heard)
        case PackageChanged():
            deliver.package(flows, heard)
        case RunRequested():
            _requested(flows, heard)
        case Ticked():
            deliver.tick(flows)
        case _:
            assert_never(heard)
    return False


def arrive(flows: Flows, there: Iterable[S3Object]) -> bool:
    """Hand on the arrival of these objects; tell whether any would come again."""
    return bool(deliver.arrived(flows, [UploadSeen("simulated", it.key, it.size, it.modified) for it in there]))


def _requested(flows: Flows, asked: RunRequested) -> None:
    here = flows.world.settings.names.deployment
    if asked.deployment != here:
        raise InvalidError(f"The event's detail.deployment is {asked.deployment!r}; here is the deployment {here!r}.")
    deliver.run_requested(flows, asked)
