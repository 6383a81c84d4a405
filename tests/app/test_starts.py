"""A run by hand over the operators' door, and by an event of anybody's."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

import app
from chalicelib import wiring
from chalicelib.errors import InvalidError, NotFoundError, RefusedError, ThrottledError
from chalicelib.model import DatasetId, DatasetState, RunState
from tests.app import raw
from tests.app.acts import drop_dataset, push_pipeline, wake_until_quiet
from tests.app.raw import Context
from tests.fakes.world import SETTINGS, World

MNIST = DatasetId("digits", "mnist")
EPOCHS = {"train.hyperparameters.epochs": 7}
MANY = {f"h{number}": number for number in range(60_000)}


def post(body: object) -> tuple[int, dict[str, Any]]:
    response = app.app(raw.post("/v1/runs", body=body), Context())
    return response["statusCode"], json.loads(response["body"])


def dropped(world: World) -> None:
    """Let a pipeline be accepted and a dataset be dropped, so that it collects."""
    push_pipeline(world)
    wake_until_quiet(world, seconds=30)
    drop_dataset(world, "1.png")


def edit_code(world: World) -> None:
    """Let a newer version of the pipeline be accepted: the same files are another run under it."""
    world.bucket.put("pipelines/digits/src/train.py", b"print('newer')")
    app.on_uploads(raw.batch(raw.created("pipelines/digits/src/train.py", world.clock())), Context())
    wake_until_quiet(world, seconds=30)


def jobs(world: World) -> int:
    return len(world.jobs.names)


def test_a_dataset_is_started_shown_and_started_once(world: World) -> None:
    dropped(world)
    status, said = post({"pipeline": "digits", "dataset": "mnist", "reason": "at once"})
    assert (status, said["changed"], said["state"], said["stage"]) == (202, True, "sealed", "training"), said
    status, again = post({"pipeline": "digits", "dataset": "mnist"})
    assert (status, again["changed"], again["run"]) == (202, False, said["run"])
    assert again["what"] == f"The dataset digits/mnist is run {said['run']} already, training; nothing was started."
    assert jobs(world) == 1
    lines = [entry for entry in world.records.entries(f"dataset:{MNIST}") if entry.what == "start asked for"]
    assert [(line.facts["by"], line.facts["reason"]) for line in lines] == [("arn:ada", "at once"), ("arn:ada", None)]


def test_what_a_post_did_is_on_the_bus_before_its_answer_is(world: World) -> None:
    dropped(world)
    world.bus.taken.clear()
    said = post({"pipeline": "digits", "dataset": "mnist"})[1]
    told = {(news.kind, news.detail["state"], news.detail.get("run")) for news in world.bus.taken}
    assert ("Dropforge Dataset State Change", "sealed", said["run"]) in told


def test_values_make_a_run_of_their_own(world: World) -> None:
    dropped(world)
    first = post({"pipeline": "digits", "dataset": "mnist"})[1]
    second = post({"pipeline": "digits", "dataset": "mnist", "set": EPOCHS})[1]
    assert second["changed"]
    assert first["run"] != second["run"]
    assert jobs(world) == 2


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"dataset": "mnist"}, 400, '"pipeline" is missing'),
        ({"pipeline": "digits"}, 400, "a dataset, or channels"),
        ({"pipeline": "digits", "dataset": "mnist", "values": {}}, 400, 'no field "values"'),
        ({"pipeline": "digits", "dataset": "mnist", "set": []}, 400, '"set" is a JSON object'),
        ({"pipeline": "digits", "dataset": "mnist", "reason": "\ud800"}, 400, "half a character"),
        ({"pipeline": "digits", "dataset": "mnist", "set": {"train.\udfff": 1}}, 400, "half a character"),
        ({"pipeline": "digits", "dataset": "mnist", "set": {"a." * 400_000 + "a": 1}}, 422, "nested too deeply"),
        ({"pipeline": "digits", "dataset": "mnist", "set": MANY}, 422, "set: holds more than 100 values"),
        ({"pipeline": "digits", "channels": {"training": "s3://pond/\u0001/"}}, 422, "unprintable"),
        ({"pipeline": "digits", "channels": {"training": 7}}, 400, '"channels" holds no text under "training"'),
        ({"pipeline": "cats", "dataset": "mnist"}, 404, 'no pipeline "cats"'),
        ({"pipeline": "digits", "dataset": "other"}, 404, 'no dataset "digits/other"'),
        ({"pipeline": "digits", "dataset": "mnist", "set": {"train.volume_size_gb": 1}}, 422, "train.volume_size_gb"),
        ({"pipeline": "digits", "channels": {"training": "s3://pond/"}}, 422, "DROPFORGE_SOURCES"),
    ],
)
def test_what_cannot_be_started_is_refused_with_a_sentence(
    world: World, body: dict[str, Any], status: int, words: str
) -> None:
    dropped(world)
    got, said = post(body)
    assert (got, words in said["detail"]) == (status, True), said
    assert jobs(world) == 0


def test_a_body_of_any_depth_is_a_fault_of_its_sender_and_none_of_ours(world: World) -> None:
    push_pipeline(world)
    event = raw.post("/v1/runs")
    for depth in range(900, 1100):  # at one of them it can be read, and no more be written
        event["body"] = '{"pipeline": "digits", "dataset": "mnist", "set": {"a": ' + "[" * depth + "]" * depth + "}}"
        assert app.app(event, Context())["statusCode"] in {400, 422}, depth


def test_a_start_that_cannot_be_carried_out_now_is_carried_out_by_its_wake_up(world: World) -> None:
    dropped(world)
    world.fail_at(_listing(world), error=lambda: ThrottledError("slow down"))
    status, said = post({"pipeline": "digits", "dataset": "mnist"})
    assert (status, said["changed"], said["state"], jobs(world)) == (202, True, "collecting", 0)
    wake_until_quiet(world, seconds=5)
    assert jobs(world) == 1


def test_a_start_that_meets_a_fault_of_ours_hides_it_from_nobody(world: World) -> None:
    dropped(world)
    world.fail_at(_listing(world), error=lambda: RuntimeError("a fault"))
    assert post({"pipeline": "digits", "dataset": "mnist"})[0] == 500


def _listing(world: World) -> int:
    """Find which call of a start lists the dataset, in a world like this one."""
    twin = World()
    with wiring.use(wiring.Flows(twin)):
        dropped(twin)
        twin.clock.advance(world.clock() - twin.clock())
        begun = len(twin.calls)
        post({"pipeline": "digits", "dataset": "mnist"})
    return next(place for place, call in enumerate(twin.calls) if place >= begun and call.method == "page") - begun + 1


@pytest.mark.parametrize("uri", ["s3://lake/old/", "s3://lake/old/1.png", "s3://bucket/datasets/digits/old/training/"])
@pytest.mark.parametrize("meanwhile", ["nothing", "changed", "gone"])
def test_data_elsewhere_is_trained_on_where_it_lies_and_compared_there_after_the_job(uri: str, meanwhile: str) -> None:
    world = World(replace(SETTINGS, sources=("lake/old/",)))
    there, key = (world.bucket, "datasets/digits/old/training/1.png")
    if "lake" in uri:
        there, key = world.bucket.other("lake"), "old/1.png"
    with wiring.use(wiring.Flows(world)):
        push_pipeline(world)
        wake_until_quiet(world, seconds=30)
        there.put(key, b"an image")
        said = post({"pipeline": "digits", "channels": {"training": uri}})[1]
        assert said["sources"] == {"training": uri}
        (job,) = world.jobs.names
        if meanwhile == "changed":
            there.put(key, b"another image")
        if meanwhile == "gone":
            there.remove(key)
        world.jobs.finish(job, {"accuracy": 0.97}, ["1", "7"])
        app.on_job_changed(raw.job_changed(job), Context())
    run = world.records.run(said["run"])
    assert run is not None
    assert (run.state is RunState.REGISTERED) == (meanwhile == "nothing"), run.reason
    assert (key in str(run.reason)) == (meanwhile != "nothing")


def test_an_event_starts_a_run_and_says_who_sent_it(world: World) -> None:
    dropped(world)
    app.on_run_requested(raw.run_requested({"dataset": "mnist", "set": EPOCHS, "reason": "nightly"}), Context())
    dataset = world.records.dataset(MNIST)
    assert dataset is not None
    assert (dataset.state, jobs(world)) == (DatasetState.SEALED, 1)
    line = next(it for it in world.records.entries(f"dataset:{MNIST}") if it.what == "start asked for")
    assert line.facts == {"by": "lab.scheduler (account 123456789012)", "reason": "nightly", "request": "event-1"}


def test_an_event_that_comes_twice_starts_one_job_even_when_the_pipeline_was_edited_between(world: World) -> None:
    dropped(world)
    for _ in range(2):
        app.on_run_requested(raw.run_requested({"dataset": "mnist", "requestId": "r-1"}), Context())
        edit_code(world)
    assert jobs(world) == 1
    app.on_run_requested(raw.run_requested({"dataset": "mnist", "requestId": "r-2"}), Context())
    assert jobs(world) == 2


def test_a_post_that_is_sent_again_starts_one_job_even_when_the_pipeline_was_edited_between(world: World) -> None:
    dropped(world)
    body = {"pipeline": "digits", "dataset": "mnist", "request_id": "r-1"}
    changed = []
    for _ in range(2):
        changed.append(post(body)[1]["changed"])
        edit_code(world)
    assert (changed, jobs(world)) == ([True, False], 1)
    assert post(body | {"request_id": "r-2"})[1]["changed"]
    assert jobs(world) == 2


@pytest.mark.parametrize(
    ("detail", "error"),
    [
        ({}, InvalidError),
        ({"dataset": "mnist", "sets": {}}, InvalidError),
        ({"dataset": ["mnist"]}, InvalidError),
        ({"dataset": "mnist", "pipeline": ""}, InvalidError),
        ({"dataset": "mnist", "reason": "x" * 501}, InvalidError),
        ({"dataset": "other"}, NotFoundError),
        ({"channels": {"training": "s3://pond/"}}, RefusedError),
        ({"dataset": "mnist", "set": {"gate.at_least": 0}}, RefusedError),
    ],
)
def test_an_event_that_asks_for_what_cannot_be_ends_in_the_dead_letters(
    world: World, detail: dict[str, Any], error: type[Exception]
) -> None:
    dropped(world)
    with pytest.raises(error):
        app.on_run_requested(raw.run_requested(detail), Context())
    assert jobs(world) == 0
