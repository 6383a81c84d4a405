"""The operators' door: pipelines, datasets, runs and releases, read by signed requests (IAM)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chalice.app import IAMAuthorizer, Request

from chalicelib import wiring
from chalicelib.http import artifacts, bodies, named, query
from chalicelib.http.door import Door
from chalicelib.http.query import Query
from chalicelib.model import DatasetState, Run, RunState
from chalicelib.names import run12
from chalicelib.ports import LogLine, Page

Json = dict[str, Any]
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
    return bodies.pipeline(named.pipeline(pipeline), wiring.flows().world.records.paused(pipeline))


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
    return bodies.dataset(named.dataset(pipeline, dataset))


@door.get("/v1/runs")
def runs(request: Request) -> Json:
    """List runs, newest first."""
    asked = query.read(request, "pipeline", "state")
    page = wiring.flows().world.records.runs(
        pipeline=query.pipeline(asked.filters.get("pipeline")),
        state=query.state(RunState, asked.filters.get("state")),
        after=asked.after,
        limit=asked.limit,
    )
    return {"runs": _with_releases(page.items), "next": page.next}


@door.get("/v1/runs/{run}")
def run(request: Request, run: str) -> Json:
    """Show a run with its metrics and the beginning of its timeline."""
    query.none(request)
    found, records = named.run(run), wiring.flows().world.records
    lines = records.timeline(f"run:{run12(found.id)}", limit=TIMELINE_LIMIT)
    said = bodies.run(found, records.release(found.pipeline))
    return said | {"timeline": [bodies.entry(line) for line in lines.items]}


@door.get("/v1/runs/{run}/timeline")
def timeline(request: Request, run: str) -> Json:
    """Page through what was seen, decided and done, oldest first."""
    asked = query.read(request)
    subject = f"run:{run12(named.run(run).id)}"
    page = wiring.flows().world.records.timeline(subject, after=asked.after, limit=asked.limit)
    return {"timeline": [bodies.entry(line) for line in page.items], "next": page.next}


@door.get("/v1/runs/{run}/log")
def log(request: Request, run: str) -> Json:
    """Read the training job's log, oldest first; `next` always goes on where this page ended, as `tail` does."""
    asked = query.read(request)
    page = _log(named.run(run), asked)
    return {"lines": [bodies.log_line(line) for line in page.items], "next": page.next or asked.after}


@door.get("/v1/runs/{run}/artifacts")
def artifact(request: Request, run: str) -> Json:
    """Sign download links for what the run's training job left: model, output and log."""
    query.none(request)
    world = wiring.flows().world
    return {"artifacts": artifacts.links(world.bucket, named.run(run), now=world.clock())}


@door.get("/v1/releases/{pipeline}")
def release(request: Request, pipeline: str) -> Json:
    """Show a pipeline's serving side: what is live, wanted, waiting and was refused."""
    query.none(request)
    return bodies.release(named.release(pipeline))


def _with_releases(found: Sequence[Run]) -> list[Json]:
    records = wiring.flows().world.records
    releases = {name: records.release(name) for name in {run.pipeline for run in found}}
    return [bodies.run(run, releases[run.pipeline]) for run in found]


def _log(run: Run, asked: Query) -> Page[LogLine]:
    """Read what its job has said; nothing, where none was asked for yet."""
    if run.candidate is None:
        return Page((), None)
    return wiring.flows().world.jobs.log(run.candidate.job, after=asked.after, limit=asked.limit)
