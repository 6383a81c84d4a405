"""stop, retry, approve and reject over the operators' door, and what SageMaker's registry says, by its events."""

from __future__ import annotations

import json
from typing import Any

import pytest

import app
from tests.app import raw
from tests.app.acts import PIPELINE, drop_dataset, wake_until_quiet
from tests.app.raw import Context
from tests.fakes.world import World

MANUAL = PIPELINE + '[gate]\nmetric = "accuracy"\nat_least = 0.5\napproval = "manual"\n'


def post(run: str, what: str, body: object = None) -> tuple[int, dict[str, Any]]:
    response = app.app(raw.post("/v1/runs/{run}/" + what, {"run": run}, body), Context())
    return response["statusCode"], json.loads(response["body"])


def shown(run: str, more: str = "") -> dict[str, Any]:
    response = app.app(raw.get("/v1/runs/{run}" + more, {"run": run}), Context())
    said: dict[str, Any] = json.loads(response["body"])
    return said


def drop(world: World, toml: str = MANUAL) -> str:
    """Push a pipeline and drop a dataset; gives its run, which trains."""
    for key, text in (("pipeline.toml", toml), ("src/train.py", "print('training')")):
        world.bucket.put(f"pipelines/digits/{key}", text)
    keys = (f"pipelines/digits/{name}" for name in ("pipeline.toml", "src/train.py"))
    app.on_uploads(raw.batch(*(raw.created(key, world.clock()) for key in keys)), Context())
    wake_until_quiet(world, seconds=30)
    drop_dataset(world, "1.png")
    wake_until_quiet(world)
    (job,) = world.jobs.names
    return job.split("-")[-3]


def finish(world: World, **metrics: float) -> None:
    job = world.jobs.names[-1]
    world.jobs.finish(job, metrics, ["0", "1"])
    app.on_job_changed(raw.job_changed(job), Context())


def come_to_rest(world: World) -> None:
    for _ in range(10):
        wake_until_quiet(world, seconds=60)
        world.hosting.settle()
        for name in list(world.hosting.endpoints):
            app.on_endpoint_changed(raw.endpoint_changed(name), Context())


def test_a_run_is_stopped_and_retried_by_whoever_signs(world: World) -> None:
    run = drop(world)
    status, said = post(run, "stop", {"reason": "wrong data"})
    assert (status, said["changed"], said["state"]) == (200, True, "training")
    assert shown(run)["stopping"] == {"by": "arn:ada", "at": said_at(run, "stop asked for"), "reason": "wrong data"}
    assert post(run, "stop")[1]["changed"] is False
    world.jobs.settle()
    app.on_job_changed(raw.job_changed(world.jobs.names[0]), Context())
    assert (shown(run)["state"], shown(run)["reason"]) == ("stopped", "Stopped by arn:ada: wrong data.")
    status, said = post(run, "retry")
    assert (status, said["changed"], said["state"]) == (200, True, "training")
    assert [job[-2:] for job in world.jobs.names] == ["a1", "a2"]


def said_at(run: str, what: str) -> str:
    (at,) = [line["at"] for line in shown(run)["timeline"] if line["what"] == what]
    return str(at)


def test_a_model_that_awaits_a_person_goes_live_when_it_is_approved(world: World) -> None:
    run = drop(world)
    finish(world, accuracy=0.9)
    assert (shown(run)["stage"], shown(run)["approval"]) == ("awaiting-approval", "pending")
    status, said = post(run, "approve", {"reason": "looked at by hand"})
    assert (status, said["changed"]) == (200, True)
    come_to_rest(world)
    assert shown(run)["stage"] == "live"
    assert shown(run)["verdict"]["reason"] == "looked at by hand"


def test_a_model_that_awaits_a_person_can_be_rejected(world: World) -> None:
    run = drop(world)
    finish(world, accuracy=0.9)
    assert post(run, "reject")[1]["stage"] == "rejected"
    come_to_rest(world)
    assert world.hosting.endpoints == {}


def test_what_is_approved_in_sagemakers_own_console_goes_live_by_its_event(world: World) -> None:
    run = drop(world)
    finish(world, accuracy=0.9)
    arn = str(shown(run)["package"])
    world.registry.decide(arn, approved=True, note="in the console")
    app.on_package_changed(raw.package_changed("df-test-digits"), Context())
    come_to_rest(world)
    assert shown(run)["stage"] == "live"


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("retry", "is training: there is nothing to try again"),
        ("approve", "is training: it has no registered model yet"),
        ("reject", "is training: it has no registered model yet"),
    ],
)
def test_an_order_that_makes_no_sense_now_is_refused_with_a_sentence(world: World, what: str, why: str) -> None:
    run = drop(world)
    status, said = post(run, what)
    assert (status, said["code"], said["retryable"]) == (409, "not-now", False)
    assert why in said["detail"]


@pytest.mark.parametrize("what", ["stop", "retry", "approve", "reject"])
@pytest.mark.parametrize("run", ["0" * 12, "latest", "\ud800"])
def test_a_run_that_is_not_there_is_not_found(world: World, what: str, run: str) -> None:  # noqa: ARG001 -- an empty world
    assert post(run, what)[0] == 404


def test_a_field_that_nobody_knows_is_refused_by_name(world: World) -> None:
    run = drop(world)
    status, said = post(run, "stop", {"why": "because"})
    assert (status, said["detail"]) == (400, 'There is no field "why" here; there are reason.')


def test_the_log_of_a_training_is_kept_and_linked(world: World) -> None:
    run = drop(world)
    world.jobs.say(world.jobs.names[0], "epoch 1", "epoch 2")
    finish(world, accuracy=0.1)
    artifacts = {each["name"]: each["url"] for each in shown(run, "/artifacts")["artifacts"]}
    assert set(artifacts) == {"model", "log"}
    key = f"runs/digits/{run}/logs/{world.jobs.names[0]}.txt"
    assert key in artifacts["log"]
    assert world.bucket.read(key).decode().splitlines()[:2] == ["epoch 1", "epoch 2"]
