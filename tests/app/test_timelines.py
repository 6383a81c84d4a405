"""Who did what, and why, over the operators' door: of a dataset, a run, a release, a pipeline, and of everything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

import app
from chalicelib.model import Entry, PipelineRecord, Release
from tests.app import raw
from tests.app.acts import drop_dataset, push_pipeline, wake_until_quiet
from tests.app.raw import Context
from tests.fakes.world import World

MNIST = {"pipeline": "digits", "dataset": "mnist"}


def post(resource: str, body: object = None, **names: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(app.app(raw.post(resource, names, body), Context())["body"])
    return said


def read(resource: str, names: Mapping[str, str] | None = None, **query: str) -> tuple[int, dict[str, Any]]:
    response = app.app(raw.get(resource, names, query), Context())
    return response["statusCode"], json.loads(response["body"])


def who(resource: str, what: str, **names: str) -> tuple[Any, Any]:
    """Give by whom and why something was done, where a timeline tells of it once."""
    status, said = read(resource, names)
    assert status == 200, said
    (facts,) = [line["facts"] for line in said["timeline"] if line["what"] == what]
    return facts["by"], facts["reason"]


def dropped(world: World) -> None:
    push_pipeline(world)
    wake_until_quiet(world, seconds=30)
    drop_dataset(world, "1.png")


def test_who_started_a_run_and_why_stands_in_its_timeline_and_in_its_datasets(world: World) -> None:
    dropped(world)
    run = post("/v1/runs", MNIST | {"reason": "at once"})["run"]
    assert who("/v1/runs/{run}/timeline", "sealed", run=run) == ("arn:ada", "at once")
    assert who("/v1/datasets/{pipeline}/{dataset}/timeline", "start asked for", **MNIST) == ("arn:ada", "at once")


def test_a_run_that_nobody_started_names_nobody(world: World) -> None:
    dropped(world)
    wake_until_quiet(world)
    run = read("/v1/datasets/{pipeline}/{dataset}", MNIST)[1]["run"]
    sealed = read("/v1/runs/{run}/timeline", {"run": run})[1]["timeline"][0]
    assert (sealed["what"], sealed["facts"]) == ("sealed", {"objects": 1})


def test_what_was_ordered_of_a_release_stands_in_its_timeline(world: World) -> None:
    world.records.save(Release("digits"), Entry(1.0, "undeploy asked for", {"by": "arn:ada", "reason": "nobody asks"}))
    told = who("/v1/releases/{pipeline}/timeline", "undeploy asked for", pipeline="digits")
    assert told == ("arn:ada", "nobody asks")


def test_who_paused_everything_and_let_it_go_on_can_be_read_afterwards(world: World) -> None:
    world.records.save(PipelineRecord("digits", version="version-1"))
    assert read("/v1/timeline") == (200, {"timeline": [], "next": None})
    post("/v1/pause", {"reason": "the weekend"})
    post("/v1/resume", {"reason": "monday"})
    assert who("/v1/timeline", "paused") == ("arn:ada", "the weekend")
    assert who("/v1/timeline", "resumed") == ("arn:ada", "monday")
    assert read("/v1/pipelines/{pipeline}/timeline", {"pipeline": "digits"})[1]["timeline"] == []


TIMELINES: list[tuple[str, dict[str, str]]] = [
    ("/v1/timeline", {}),
    ("/v1/pipelines/{pipeline}/timeline", {"pipeline": "digits"}),
    ("/v1/datasets/{pipeline}/{dataset}/timeline", MNIST),
    ("/v1/releases/{pipeline}/timeline", {"pipeline": "digits"}),
]


@pytest.mark.parametrize(("resource", "names"), TIMELINES)
def test_every_timeline_is_paged_and_refuses_what_it_does_not_know(
    world: World, resource: str, names: dict[str, str]
) -> None:
    dropped(world)
    world.records.save(Release("digits"))
    subject = {
        "/v1/timeline": "pipeline:*",
        "/v1/pipelines/{pipeline}/timeline": "pipeline:digits",
        "/v1/datasets/{pipeline}/{dataset}/timeline": "dataset:digits/mnist",
        "/v1/releases/{pipeline}/timeline": "release:digits",
    }[resource]
    for number in range(5):
        world.records.note(subject, Entry(world.clock() + number, f"step {number}"))
    lines: list[str] = []
    after: str | None = None
    while True:
        page = read(resource, names, limit="2", **({"next": after} if after else {}))[1]
        assert len(page["timeline"]) <= 2
        lines += [line["what"] for line in page["timeline"]]
        after = page["next"]
        if after is None:
            break
    assert lines[-5:] == [f"step {number}" for number in range(5)]
    assert read(resource, names, since="monday")[0] == 400


@pytest.mark.parametrize(("resource", "names"), TIMELINES[1:])
def test_the_timeline_of_what_is_not_there_is_not_found(
    world: World,  # noqa: ARG001 -- an empty world
    resource: str,
    names: dict[str, str],
) -> None:
    assert read(resource, names)[0] == 404
    assert read(resource, dict.fromkeys(names, "p" * 5000))[0] == 404
