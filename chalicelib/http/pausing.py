"""pause and resume, of a pipeline or of everything, and the timeline that tells of it."""

from __future__ import annotations

from typing import Any

from chalice.app import IAMAuthorizer, Request

from chalicelib import wiring
from chalicelib.errors import NotFoundError
from chalicelib.flows.pauses import Paused
from chalicelib.http import bodies, order, query
from chalicelib.http.door import Door
from chalicelib.model import EVERYTHING
from chalicelib.names import is_pipeline

Json = dict[str, Any]

door = Door(__name__, authorizer=IAMAuthorizer())


@door.post("/v1/pipelines/{pipeline}/pause")
def pause_pipeline(request: Request, pipeline: str) -> Json:
    """Start nothing more for a pipeline that costs money."""
    flows = wiring.flows()
    return _told(flows.pauses.pause(pipeline, order.read(request, flows.world.clock()).command))


@door.post("/v1/pipelines/{pipeline}/resume")
def resume_pipeline(request: Request, pipeline: str) -> Json:
    """Let a pipeline go on."""
    flows = wiring.flows()
    return _told(flows.pauses.resume(pipeline, order.read(request, flows.world.clock()).command))


@door.post("/v1/pause")
def pause_everything(request: Request) -> Json:
    """Start nothing more that costs money."""
    flows = wiring.flows()
    return _told(flows.pauses.pause(EVERYTHING, order.read(request, flows.world.clock()).command))


@door.post("/v1/resume")
def resume_everything(request: Request) -> Json:
    """Let everything go on that is not paused by itself."""
    flows = wiring.flows()
    return _told(flows.pauses.resume(EVERYTHING, order.read(request, flows.world.clock()).command))


@door.get("/v1/pipelines/{pipeline}/timeline")
def pipeline_timeline(request: Request, pipeline: str) -> Json:
    """Page through what became of a pipeline, and who held it, oldest first."""
    asked, records = query.read(request), wiring.flows().world.records
    if not is_pipeline(pipeline) or records.pipeline(pipeline) is None:
        raise NotFoundError(f'There is no pipeline "{pipeline}".')
    page = records.timeline(f"pipeline:{pipeline}", after=asked.after, limit=asked.limit)
    return {"timeline": [bodies.entry(line) for line in page.items], "next": page.next}


def _told(paused: Paused) -> Json:
    return {
        "changed": paused.changed,
        "state": "paused" if paused.pause else "running",
        "what": paused.what,
        "scope": paused.scope,
        "paused": bodies.pause(paused.pause),
    }
