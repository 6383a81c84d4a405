"""pause and resume, of a pipeline or of everything."""

from __future__ import annotations

from typing import Any

from chalice.app import IAMAuthorizer, Request

from chalicelib import wiring
from chalicelib.flows.pauses import Paused
from chalicelib.http import bodies, order
from chalicelib.http.door import Door
from chalicelib.model import EVERYTHING

Json = dict[str, Any]

door = Door(__name__, authorizer=IAMAuthorizer())


@door.post("/v1/pipelines/{pipeline}/pause")
def pause_pipeline(request: Request, pipeline: str) -> Json:
    """Start nothing more for a pipeline that costs money."""
    return _told(wiring.flows().pauses.pause(pipeline, order.command(request)))


@door.post("/v1/pipelines/{pipeline}/resume")
def resume_pipeline(request: Request, pipeline: str) -> Json:
    """Let a pipeline go on."""
    return _told(wiring.flows().pauses.resume(pipeline, order.command(request)))


@door.post("/v1/pause")
def pause_everything(request: Request) -> Json:
    """Start nothing more that costs money."""
    return _told(wiring.flows().pauses.pause(EVERYTHING, order.command(request)))


@door.post("/v1/resume")
def resume_everything(request: Request) -> Json:
    """Let everything go on that is not paused by itself."""
    return _told(wiring.flows().pauses.resume(EVERYTHING, order.command(request)))


def _told(paused: Paused) -> Json:
    return {
        "changed": paused.changed,
        "state": paused.state,
        "what": paused.what,
        "scope": paused.scope,
        "paused": bodies.pause(paused.pause),
    }
