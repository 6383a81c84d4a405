"""Timelines, oldest first: what was seen, decided and done, and who ordered it. Those of runs stand in operators.py."""

from __future__ import annotations

from typing import Any

from chalice.app import IAMAuthorizer, Request

from chalicelib import wiring
from chalicelib.http import bodies, named, query
from chalicelib.http.door import Door
from chalicelib.model import EVERYTHING

Json = dict[str, Any]

door = Door(__name__, authorizer=IAMAuthorizer())


@door.get("/v1/timeline")
def timeline_of_everything(request: Request) -> Json:
    """Page through what was ordered of everything at once: who paused it, and who let it go on."""
    return page(request, f"pipeline:{EVERYTHING}")


@door.get("/v1/pipelines/{pipeline}/timeline")
def pipeline_timeline(request: Request, pipeline: str) -> Json:
    """Page through what became of a pipeline, and who held it."""
    return page(request, f"pipeline:{named.pipeline(pipeline).name}")


@door.get("/v1/datasets/{pipeline}/{dataset}/timeline")
def dataset_timeline(request: Request, pipeline: str, dataset: str) -> Json:
    """Page through what became of a dataset, and who started it."""
    return page(request, f"dataset:{named.dataset(pipeline, dataset).id}")


@door.get("/v1/releases/{pipeline}/timeline")
def release_timeline(request: Request, pipeline: str) -> Json:
    """Page through what was served, and who ordered it."""
    return page(request, f"release:{named.release(pipeline).pipeline}")


def page(request: Request, subject: str) -> Json:
    asked = query.read(request)
    found = wiring.flows().world.records.timeline(subject, after=asked.after, limit=asked.limit)
    return {"timeline": [bodies.entry(line) for line in found.items], "next": found.next}
