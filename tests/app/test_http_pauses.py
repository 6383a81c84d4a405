"""pause and resume over the operators' door."""

from __future__ import annotations

import json
from typing import Any

import pytest

import app
from chalicelib.model import PipelineRecord
from tests.app import raw
from tests.app.raw import Context
from tests.fakes.world import World


def post(resource: str, body: object = None, **names: str) -> tuple[int, dict[str, Any]]:
    response = app.app(raw.post(resource, names, body), Context())
    return response["statusCode"], json.loads(response["body"])


def paused_of(pipeline: str) -> Any:
    response = app.app(raw.get("/v1/pipelines/{pipeline}", {"pipeline": pipeline}), Context())
    return json.loads(response["body"])["paused"]


def listed() -> dict[str, bool]:
    response = app.app(raw.get("/v1/pipelines"), Context())
    return {each["pipeline"]: each["paused"] is not None for each in json.loads(response["body"])["pipelines"]}


def test_a_pipeline_is_paused_shown_as_such_and_resumed(world: World) -> None:
    for name in ("digits", "letters"):
        world.records.save(PipelineRecord(name, version="version-1"))
    status, said = post("/v1/pipelines/{pipeline}/pause", {"reason": "budget"}, pipeline="digits")
    assert (status, said["changed"], said["state"], said["scope"]) == (200, True, "paused", "digits")
    assert said["paused"] == paused_of("digits")
    assert (said["paused"]["by"], said["paused"]["reason"]) == ("arn:ada", "budget")
    assert listed() == {"digits": True, "letters": False}
    assert post("/v1/pipelines/{pipeline}/pause", pipeline="digits")[1]["changed"] is False
    status, said = post("/v1/pipelines/{pipeline}/resume", pipeline="digits")
    assert (status, said["changed"], said["state"], said["paused"]) == (200, True, "running", None)
    assert said["what"] == "The pipeline digits goes on."
    assert paused_of("digits") is None
    response = app.app(raw.get("/v1/pipelines/{pipeline}/timeline", {"pipeline": "digits"}), Context())
    lines = json.loads(response["body"])["timeline"]
    assert [(line["what"], line["facts"]["by"]) for line in lines] == [("paused", "arn:ada"), ("resumed", "arn:ada")]
    assert app.app(raw.get("/v1/pipelines/{pipeline}/timeline", {"pipeline": "cats"}), Context())["statusCode"] == 404


def test_everything_is_paused_and_resumed(world: World) -> None:
    world.records.save(PipelineRecord("digits", version="version-1"))
    status, said = post("/v1/pause", {"reason": "the weekend"})
    assert (status, said["changed"], said["scope"]) == (200, True, "*")
    assert said["what"].startswith("Everything is paused by arn:ada since ")
    assert listed() == {"digits": True}
    assert post("/v1/resume")[1]["what"] == "Everything goes on."
    assert listed() == {"digits": False}


@pytest.mark.parametrize("order", ["pause", "resume"])
def test_a_pipeline_that_is_not_there_and_fields_that_nobody_knows_are_refused(world: World, order: str) -> None:
    world.records.save(PipelineRecord("digits", version="version-1"))
    status, said = post(f"/v1/pipelines/{{pipeline}}/{order}", pipeline="cats")
    assert (status, said["code"], said["detail"]) == (404, "not-found", 'There is no pipeline "cats".')
    status, said = post(f"/v1/pipelines/{{pipeline}}/{order}", {"until": "monday"}, pipeline="digits")
    assert (status, said["code"]) == (400, "invalid-request")
    assert '"until"' in said["detail"]
