"""rollback, undeploy and redeploy over the operators' door, with the machine behind them."""

from __future__ import annotations

import json
from typing import Any

import pytest

import app
from tests.app import raw
from tests.app.acts import drop_dataset, push_pipeline, wake_until_quiet
from tests.app.raw import Context
from tests.fakes.world import World


def post(order: str, body: object = None, pipeline: str = "digits") -> tuple[int, dict[str, Any]]:
    event = raw.post(f"/v1/releases/{{pipeline}}/{order}", {"pipeline": pipeline}, body)
    response = app.app(event, Context())
    return response["statusCode"], json.loads(response["body"])


def get(resource: str, **names: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(app.app(raw.get(resource, names), Context())["body"])
    return said


def deploy(world: World, picture: str = "1.png") -> None:
    drop_dataset(world, picture)
    wake_until_quiet(world)
    world.jobs.finish(list(world.jobs.names)[-1], labels=["0", "1"])
    app.on_job_changed(raw.job_changed(list(world.jobs.names)[-1]), Context())
    settle(world)


def settle(world: World) -> None:
    for _ in range(8):
        wake_until_quiet(world, seconds=61)
        app.reconcile(raw.schedule(), Context())
        world.hosting.settle()
        for endpoint in world.hosting.endpoints:
            app.on_endpoint_changed(raw.endpoint_changed(endpoint), Context())


@pytest.fixture
def digits(world: World) -> World:
    """A world in which the model digits is live."""
    push_pipeline(world)
    wake_until_quiet(world, seconds=30)
    deploy(world)
    assert get("/v1/models/{model}", model="digits")["live"]
    return world


def test_a_model_is_rolled_back_with_who_and_why(digits: World) -> None:
    deploy(digits, "2.png")
    status, said = post("rollback", {"reason": "it errs"})
    assert (status, said["changed"]) == (200, True), said
    assert said["release"]["pending"]["by"] == "arn:ada"
    assert post("rollback")[1]["changed"] is False
    settle(digits)
    live = get("/v1/releases/{pipeline}", pipeline="digits")["live"]
    assert (live["model_version"], live["cause"], live["by"]) == (1, "rollback", "arn:ada")
    told = [entry for entry in digits.records.entries("release:digits") if entry.what == "rollback asked for"]
    assert [(entry.facts["by"], entry.facts["reason"]) for entry in told[:1]] == [("arn:ada", "it errs")]


def test_a_model_is_rolled_back_to_a_version(digits: World) -> None:
    deploy(digits, "2.png")
    status, said = post("rollback", {"to": 1})
    assert (status, said["changed"]) == (200, True)
    settle(digits)
    assert get("/v1/models/{model}", model="digits")["version"] == 1


def test_a_model_is_undeployed_and_deployed_again(digits: World) -> None:
    status, said = post("undeploy", {"confirm": "digits", "reason": "spring"})
    assert (status, said["changed"], said["stage"]) == (200, True, "undeploying")
    wake_until_quiet(digits, seconds=2)
    assert not get("/v1/models/{model}", model="digits")["live"]
    assert digits.hosting.endpoints
    settle(digits)
    assert (digits.hosting.endpoints, digits.hosting.configs, digits.hosting.models) == ({}, {}, {})
    release = get("/v1/releases/{pipeline}", pipeline="digits")
    assert (release["stage"], release["live"], release["retired"]["model_version"]) == ("idle", None, 1)
    assert (release["undeployed"]["by"], release["undeployed"]["reason"]) == ("arn:ada", "spring")
    assert post("undeploy", {"confirm": "digits"})[1]["changed"] is False
    status, said = post("redeploy")
    assert (status, said["changed"]) == (200, True)
    settle(digits)
    assert get("/v1/models/{model}", model="digits")["live"]
    assert post("redeploy")[1]["changed"] is False


@pytest.mark.parametrize(
    ("order", "body", "status", "code", "words"),
    [
        ("rollback", {}, 409, "not-now", "Nothing was live before version 1"),
        ("rollback", {"to": 1}, 409, "not-now", "is live already"),
        ("rollback", {"to": 7}, 404, "not-found", "has no version 7"),
        ("rollback", {"to": "one"}, 400, "invalid-request", '"to" is a whole number'),
        ("rollback", {"to": None}, 400, "invalid-request", '"to" is a whole number'),
        ("rollback", {"version": 1}, 400, "invalid-request", 'There is no field "version"'),
        ("undeploy", {}, 400, "invalid-request", 'send {"confirm": "digits"}'),
        ("undeploy", {"confirm": "letters"}, 400, "invalid-request", 'send {"confirm": "digits"}'),
        ("redeploy", {}, 409, "not-now", "is live and nothing has failed"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(
    digits: World, order: str, body: object, status: int, code: str, words: str
) -> None:
    found, said = post(order, body)
    assert (found, said["code"], words in said["detail"]) == (status, code, True), said
    assert digits.hosting.endpoints


@pytest.mark.parametrize("order", ["rollback", "undeploy", "redeploy"])
@pytest.mark.parametrize("pipeline", ["cats", "No Name"])
def test_a_model_that_was_never_released_is_not_found(world: World, order: str, pipeline: str) -> None:
    status, said = post(order, {"confirm": pipeline} if order == "undeploy" else {}, pipeline)
    assert (status, said["code"], world.timer.pending) == (404, "not-found", [])
