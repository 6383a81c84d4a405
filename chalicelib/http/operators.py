"""The operators' door: pipelines, datasets, runs and releases, read by signed requests (IAM)."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from chalice.app import IAMAuthorizer, Request

from chalicelib import wiring
from chalicelib.errors import NotFoundError
from chalicelib.http import artifacts, bodies, query
from chalicelib.http.door import Door
from chalicelib.model import Dataset, DatasetId, DatasetState, Release, Run, RunState
from chalicelib.names import is_pipeline, run12

Json = dict[str, Any]
KEY_LIMIT = 1024
"""Bytes of a key in S3."""
_RUN = re.compile(r"[0-9a-f]{12}|v1[0-9a-f]{64}")
TIMELINE_LIMIT = 100
"""Entries that a single run's answer brings; the timeline route pages through all of them."""

door = Door(__name__, authorizer=IAMAuthorizer())


@door.get("/v1/pipelines")
def pipelines(request: Request) -> Json:
    """List the pipelines."""
    asked = query.read(request)
    records = wiring.flows().world.records
    page = records.pipelines(after=asked.after, limit=asked.limit)
    return {"pipelines": [bodies.pipeline(item, records.paused(item.name)) for item in page.items], "next": page.next}


@door.get("/v1/pipelines/{pipeline}")
def pipeline(request: Request, pipeline: str) -> Json:
    """Show a pipeline: its accepted version, and what is wrong with a newer one."""
    query.none(request)
    records = wiring.flows().world.records
    found = records.pipeline(pipeline) if is_pipeline(pipeline) else None
    if found is None:
        raise NotFoundError(f'There is no pipeline "{pipeline}".')
    return bodies.pipeline(found, records.paused(pipeline))


@door.get("/v1/datasets")
def datasets(request: Request) -> Json:
    """List datasets, newest first."""
    asked = query.read(request, "pipeline", "state")
    page = wiring.flows().world.records.datasets(
        pipeline=query.pipeline(asked.filters.get("pipeline")),
        state=query.state(DatasetState, asked.filters.get("state")),
        after=asked.after,
        limit=asked.limit,
    )
    return {"datasets": [bodies.dataset(item) for item in page.items], "next": page.next}


@door.get("/v1/datasets/{pipeline}/{dataset}")
def dataset(request: Request, pipeline: str, dataset: str) -> Json:
    """Show a dataset: its state, its run, and what to do after a refusal."""
    query.none(request)
    return bodies.dataset(dataset_named(pipeline, dataset))


@door.get("/v1/runs")
def runs(request: Request) -> Json:
    """List runs, newest first."""
    asked = query.read(request, "pipeline", "state")
    records = wiring.flows().world.records
    page = records.runs(
        pipeline=query.pipeline(asked.filters.get("pipeline")),
        state=query.state(RunState, asked.filters.get("state")),
        after=asked.after,
        limit=asked.limit,
    )
    releases = {name: records.release(name) for name in {item.pipeline for item in page.items}}
    said = [bodies.run(item, releases[item.pipeline]) for item in page.items]
    return {"runs": said, "next": page.next}


@door.get("/v1/runs/{run}")
def run(request: Request, run: str) -> Json:
    """Show a run with its metrics and the beginning of its timeline."""
    query.none(request)
    found, records = run_named(run), wiring.flows().world.records
    lines = records.timeline(f"run:{run12(found.id)}", limit=TIMELINE_LIMIT)
    said = bodies.run(found, records.release(found.pipeline))
    return said | {"timeline": [bodies.entry(line) for line in lines.items]}


@door.get("/v1/runs/{run}/timeline")
def timeline(request: Request, run: str) -> Json:
    """Page through what was seen, decided and done, oldest first."""
    asked = query.read(request)
    subject = f"run:{run12(run_named(run).id)}"
    page = wiring.flows().world.records.timeline(subject, after=asked.after, limit=asked.limit)
    return {"timeline": [bodies.entry(line) for line in page.items], "next": page.next}


@door.get("/v1/runs/{run}/log")
def log(request: Request, run: str) -> Json:
    """Read the training job's log, oldest first; `next` always goes on where this page ended, as `tail` does."""
    asked = query.read(request)
    found = run_named(run)
    if found.candidate is None:
        return {"lines": [], "next": asked.after}
    page = wiring.flows().world.jobs.log(found.candidate.job, after=asked.after, limit=asked.limit)
    return {"lines": [bodies.log_line(line) for line in page.items], "next": page.next or asked.after}


@door.get("/v1/runs/{run}/artifacts")
def artifact(request: Request, run: str) -> Json:
    """Sign download links for what the run's training job left: model, output and log."""
    query.none(request)
    world = wiring.flows().world
    return {"artifacts": artifacts.links(world.bucket, run_named(run), now=world.clock())}


@door.get("/v1/releases/{pipeline}")
def release(request: Request, pipeline: str) -> Json:
    """Show a pipeline's serving side: what is live, wanted, waiting and was refused."""
    query.none(request)
    return bodies.release(release_named(pipeline))


def run_named(name: str) -> Run:
    found = wiring.flows().world.records.run(name) if _RUN.fullmatch(name) else None
    if found is None:
        raise NotFoundError(f'There is no run "{name}".')
    return found


def dataset_named(pipeline: str, name: str) -> Dataset:
    """Find a dataset by its name as given, else decoded: REST APIs hand path parameters over as they were sent."""
    records = wiring.flows().world.records
    names = [each for each in (name, unquote(name)) if is_pipeline(pipeline) and _fits_a_key(each)]
    found = next((found for each in names if (found := records.dataset(DatasetId(pipeline, each)))), None)
    if found is None:
        raise NotFoundError(f'There is no dataset "{pipeline}/{name}".')
    return found


def release_named(pipeline: str) -> Release:
    found = wiring.flows().world.records.release(pipeline) if is_pipeline(pipeline) else None
    if found is None:
        raise NotFoundError(f'The pipeline "{pipeline}" has released nothing.')
    return found


def _fits_a_key(name: str) -> bool:
    """Tell whether a name could stand in an object's key; any other would be an error of the table's, not a miss."""
    try:
        return len(name.encode()) <= KEY_LIMIT
    except UnicodeEncodeError:  # half a surrogate pair
        return False
