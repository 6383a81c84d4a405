"""Timelines, oldest first: what was seen, decided and done, and who ordered it. Those of runs stand in operators.py."""

from __future__ import annotations

from typing import Any

from chalice.app import IAMAuthorizer, Request

from chalicelib import wiring
from chalicelib.errors import NotFoundError
from chalicelib.http import bodies, query
from chalicelib.http.door import Door
from chalicelib.http.operators import dataset_named, release_named
from chalicelib.model import EVERYTHING
from chalicelib.names import is_pipeline

Json = dict[str, Any]

door = Door(__name__, authorizer=IAMAuthorizer())


@door.get("/v1/timeline")
def timeline_of_everything(request: Request) -> Json:
    """Page through what was ordered of everything at once: who paused it, and who let it go on."""
    return page(request, f"pipeline:{EVERYTHING}")


@door.get("/v1/pipelines/{pipeline}/timeline")
def pipeline_timeline(request: Request, pipeline: str) -> Json:
    """Page through what became of a pipeline, and who held it."""
    if not is_pipeline(pipeline) or wiring.flows().world.records.pipeline(pipeline) is None:
        raise NotFoundError(f'There is no pipeline "{pipeline}".')
    return page(request, f"pipeline:{pipeline}")


@door.get("/v1/datasets/{pipeline}/{dataset}/timeline")
def dataset_timeline(request: Request, pipeline: str, dataset: str) -> Json:
    """Page through what became of a dataset, and who started it."""
    return page(request, f"dataset:{dataset_named(pipeline, dataset).id}")


@door.get("/v1/releases/{pipeline}/timeline")
def release_timeline(request: Request, pipeline: str) -> Json:
    """Page through what was served, and who ordered it."""
    return page(request, f"release:{release_named(pipeline).pipeline}")


def page(request: Request, subject: str) -> Json:
    asked = query.read(request)
    found = wiring.flows().world.records.timeline(subject, after=asked.after, limit=asked.limit)
    return {"timeline": [bodies.entry(line) for line in found.items], "next": found.next}
