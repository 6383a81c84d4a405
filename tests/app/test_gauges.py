"""What the real handlers print over a world in memory: a line for each step, and figures in CloudWatch's own format."""

from __future__ import annotations

import json
from typing import Any

import pytest

import app
from chalicelib import wiring
from chalicelib.errors import ConflictError, RefusedError, UnavailableError
from chalicelib.gauges import Gauge, document
from tests.app import raw
from tests.app.acts import PIPELINE, drop_dataset, push_pipeline, wake_until_quiet
from tests.app.raw import Context, Event
from tests.fakes.world import World

Capture = pytest.CaptureFixture[str]
Lines = pytest.LogCaptureFixture


def figures(capsys: Capture, name: str) -> list[dict[str, Any]]:
    """Take what was printed since the last look of one metric."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    return [line for line in lines if "_aws" in line and name in line]


def told(caplog: Lines, step: str) -> list[tuple[str, str]]:
    """Give the outcome of each line of a step."""
    lines = [vars(line) for line in caplog.records]
    return [(line["step"], line["outcome"]) for line in lines if line.get("step") == step]


def start_run(world: World) -> str:
    push_pipeline(world)
    wake_until_quiet(world, seconds=30)
    drop_dataset(world, "1.png")
    wake_until_quiet(world)
    (job,) = world.jobs.names
    return job


def go_live(world: World) -> None:
    for _ in range(10):
        wake_until_quiet(world, seconds=60)
        world.hosting.settle()
        for endpoint in world.hosting.endpoints:
            app.on_endpoint_changed(raw.endpoint_changed(endpoint), Context())


def test_a_figure_is_a_line_that_cloudwatch_takes_apart() -> None:
    gauge = Gauge("TimeToLive", 12.5, "Seconds", pipeline="digits")
    assert document(gauge, "dev", 1_800_000_000.25, run="0123456789ab") == {
        "_aws": {
            "Timestamp": 1_800_000_000_250,
            "CloudWatchMetrics": [
                {
                    "Namespace": "Dropforge",
                    "Dimensions": [["stage"], ["stage", "pipeline"]],
                    "Metrics": [{"Name": "TimeToLive", "Unit": "Seconds"}],
                }
            ],
        },
        "run": "0123456789ab",
        "stage": "dev",
        "pipeline": "digits",
        "TimeToLive": 12.5,
    }


def test_a_run_that_goes_live_is_counted_once_with_the_time_that_it_took(world: World, capsys: Capture) -> None:
    job = start_run(world)
    world.jobs.finish(job, labels=["0", "1"])
    for _ in range(3):  # events come twice, and thrice
        app.on_job_changed(raw.job_changed(job), Context())
    go_live(world)
    app.reconcile(raw.schedule(), Context())
    out = capsys.readouterr().out
    lines = [json.loads(line) for line in out.splitlines() if '"_aws"' in line]
    ended = [(line["outcome"], line["pipeline"], line["stage"]) for line in lines if "Runs" in line]
    assert ended == [("registered", "digits", "test")]
    assert [line["outcome"] for line in lines if "Releases" in line] == ["live"]
    (took,) = [line["TimeToLive"] for line in lines if "TimeToLive" in line]
    release, run = world.records.release("digits"), world.records.run(job.split("-")[3])
    assert release is not None
    assert release.stage_since is not None
    assert run is not None
    assert took == release.stage_since - run.sealed_at > 0


@pytest.mark.parametrize(("status", "outcome"), [("fails", "failed"), ("stops", "stopped")])
def test_each_end_of_a_run_has_its_outcome(world: World, capsys: Capture, status: str, outcome: str) -> None:
    job = start_run(world)
    if status == "fails":
        world.jobs.fail(job, "AlgorithmError: no good")
    else:
        world.jobs.stop(job)
        world.jobs.settle()
    app.on_job_changed(raw.job_changed(job), Context())
    (line,) = figures(capsys, "Runs")
    assert (line["outcome"], line["Runs"], line["run"]) == (outcome, 1, job.split("-")[3])


def test_a_state_whose_save_meets_a_conflict_is_counted_by_the_one_who_saved_it(world: World, capsys: Capture) -> None:
    job = start_run(world)
    world.jobs.fail(job, "AlgorithmError: no good")
    before = len(world.calls)
    app.on_job_changed(raw.job_changed(job), Context())
    save = next(place for place, call in enumerate(world.calls[before:], 1) if str(call) == "records.save")
    assert len(figures(capsys, "Runs")) == 1

    other = World()
    with wiring.use(wiring.Flows(other)):
        job = start_run(other)
        other.jobs.fail(job, "AlgorithmError: no good")
        other.fail_at(save, error=ConflictError)
        app.on_job_changed(raw.job_changed(job), Context())
        assert len(figures(capsys, "Runs")) == 1


def test_refusals_are_counted_by_kind_and_bear_no_names_in_their_dimensions(world: World, capsys: Capture) -> None:
    push_pipeline(world)
    wake_until_quiet(world, seconds=30)
    world.bucket.put("pipelines/broken/pipeline.toml", "[train")
    event = raw.batch(raw.created("pipelines/broken/pipeline.toml", world.clock()))
    app.on_uploads(event, Context())
    wake_until_quiet(world, seconds=30)
    world.bucket.put("datasets/digits/mnist/train/1.png", b"pixels")
    for _ in range(2):  # the event comes twice
        app.on_uploads(raw.batch(raw.created("datasets/digits/mnist/train/1.png", world.clock())), Context())
    wake_until_quiet(world)
    lines = figures(capsys, "Refusals")
    assert [(line["kind"], line["Refusals"]) for line in lines] == [("pipeline", 1), ("dataset", 1)]
    for line in lines:
        assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["stage", "kind"]]
    assert lines[1]["dataset"] == "digits/mnist"


def aged(event: Event, sent: float, delay: int | None = None) -> Event:
    for record in event["Records"]:
        record["attributes"]["SentTimestamp"] = str(int(sent * 1000))
        if delay is not None:
            record["messageAttributes"] = {"delay": {"dataType": "Number", "stringValue": str(delay)}}
    return event


def test_the_age_of_a_batch_is_that_of_its_oldest_message(world: World, capsys: Capture) -> None:
    event = aged(raw.batch(raw.created("elsewhere", 0), raw.created("elsewhere", 0)), world.clock() - 5)
    event["Records"][1]["attributes"]["SentTimestamp"] = str(int((world.clock() - 60) * 1000))
    app.on_uploads(event, Context())
    (line,) = figures(capsys, "QueueAge")
    assert (round(line["QueueAge"]), line["queue"], line["stage"]) == (60, "uploads", "test")


def test_a_wake_up_is_as_old_as_the_time_since_it_was_due(world: World, capsys: Capture) -> None:
    app.on_wake(aged(raw.batch("run:0123456789ab"), world.clock() - 310, delay=300), Context())
    (line,) = figures(capsys, "QueueAge")
    assert (round(line["QueueAge"]), line["queue"]) == (10, "wake")


def test_a_step_that_saves_nothing_says_so(world: World, caplog: Lines) -> None:
    push_pipeline(world)
    assert set(told(caplog, "pipeline-uploaded")) == {("pipeline-uploaded", "done")}
    caplog.clear()
    app.on_wake(raw.batch("run:0123456789ab"), Context())
    app.reconcile(raw.schedule(), Context())
    assert told(caplog, "wake") == [("wake", "nothing")]
    assert told(caplog, "tick") == [("tick", "nothing")]
    parts = [vars(line)["part"] for line in caplog.records if vars(line)["step"] == "reconcile"]
    assert {"rehearsals", "sweep"} <= set(parts)


def test_a_line_names_pipeline_dataset_and_run_and_what_became_of_them(world: World, caplog: Lines) -> None:
    job = start_run(world)
    run = job.split("-")[3]
    caplog.clear()
    world.jobs.fail(job, "AlgorithmError: no good")
    app.on_job_changed(raw.job_changed(job), Context())
    (line,) = [vars(line) for line in caplog.records]
    assert (line["step"], line["outcome"], line["pipeline"]) == ("job-changed", "done", "digits")
    assert (line["dataset"], line["run"]) == ("digits/mnist", run)
    assert line["became"] == {f"run:{run}": "failed"}


ABOUT_MNIST = ("done", "digits", "digits/mnist")


def about(line: dict[str, Any]) -> tuple[object, ...]:
    return line["outcome"], line.get("pipeline"), line.get("dataset")


def test_the_line_of_a_package_event_names_the_run_that_the_package_is_of(world: World, caplog: Lines) -> None:
    job = start_run(world)
    run = job.split("-")[3]
    world.jobs.finish(job, labels=["0", "1"])
    app.on_job_changed(raw.job_changed(job), Context())
    found = world.records.run(run)
    assert found is not None
    assert found.package is not None
    world.registry.decide(found.package, approved=False, note="seen by eye")
    caplog.clear()
    app.on_package_changed(raw.package_changed("df-test-digits"), Context())
    (line,) = [vars(line) for line in caplog.records if vars(line)["step"] == "package-changed"]
    assert (*about(line), line["run"]) == (*ABOUT_MNIST, run)


def test_the_line_of_an_event_that_asks_for_a_run_names_the_dataset_and_the_run(world: World, caplog: Lines) -> None:
    run = start_run(world).split("-")[3]
    caplog.clear()
    detail = {"deployment": "df-test", "pipeline": "digits", "dataset": "mnist"}
    app.on_run_requested(raw.run_requested(detail), Context())
    (line,) = [vars(line) for line in caplog.records if vars(line)["step"] == "run-requested"]
    assert (*about(line), line["run"]) == (*ABOUT_MNIST, run)


def test_the_line_of_a_start_over_http_names_the_dataset_and_the_run(world: World, caplog: Lines) -> None:
    run = start_run(world).split("-")[3]
    caplog.clear()
    app.app(raw.post("/v1/runs", body={"pipeline": "digits", "dataset": "mnist", "set": {"x": 1}}), Context())
    app.app(raw.post("/v1/runs", body={"pipeline": "digits", "dataset": "mnist"}), Context())
    refused, taken = (vars(line) for line in caplog.records if vars(line)["step"] == "request")
    assert (refused["outcome"], refused["pipeline"]) == ("refused", "digits")
    assert (taken["pipeline"], taken["dataset"], taken["run"]) == ("digits", "digits/mnist", run)


def test_what_is_refused_is_told_as_refused(world: World, caplog: Lines) -> None:
    world.bucket.put("pipelines/broken/pipeline.toml", f"{PIPELINE}\nnonsense = 1")
    app.on_uploads(raw.batch(raw.created("pipelines/broken/pipeline.toml", world.clock())), Context())
    wake_until_quiet(world, seconds=30)
    assert ("wake", "refused") in told(caplog, "wake")


def test_a_no_of_ours_is_told_with_its_reason_and_is_no_failure(world: World, caplog: Lines, capsys: Capture) -> None:
    world.fail_at(1, error=lambda: RefusedError("Too large."))
    app.on_wake(raw.batch("run:0123456789ab"), Context())
    (line,) = [vars(line) for line in caplog.records]
    assert (line["step"], line["outcome"], line["reason"]) == ("wake", "refused", "Too large.")
    assert figures(capsys, "StepsFailed") == []


def test_messages_that_cannot_be_read_are_told_without_what_they_say(world: World, caplog: Lines) -> None:
    assert world
    app.on_uploads(raw.batch("a secret payload"), Context())
    (line,) = [vars(line) for line in caplog.records]
    assert (line["step"], line["outcome"], line["messages"]) == ("uploads", "comes again", 1)
    assert "secret" not in json.dumps({name: str(value) for name, value in line.items()})


def test_an_item_of_a_tick_that_fails_is_told_and_counted(world: World, caplog: Lines, capsys: Capture) -> None:
    push_pipeline(world)
    world.clock.advance(600)
    before = len(world.calls)
    app.reconcile(raw.schedule(), Context())
    look = next(at for at, call in enumerate(world.calls[before:], 1) if str(call) == "records.pipeline")
    caplog.clear()

    other = World()
    with wiring.use(wiring.Flows(other)):
        push_pipeline(other)
        other.clock.advance(600)
        capsys.readouterr()
        other.fail_at(look, error=lambda: RuntimeError("the table is away"))
        app.reconcile(raw.schedule(), Context())
    assert ("reconcile", "failed") in told(caplog, "reconcile")
    assert [line["step"] for line in figures(capsys, "StepsFailed")] == ["reconcile"]


def request(resource: str, **names: str) -> dict[str, Any]:
    answer: dict[str, Any] = app.app(raw.get(resource, names), Context())
    return answer


def test_a_request_is_told_by_its_route_and_status(world: World, caplog: Lines) -> None:
    assert world
    request("/v1/health")
    request("/v1/runs/{run}", run="0123456789ab")
    lines = [vars(line) for line in caplog.records]
    assert [(line["step"], line["route"], line["status"], line["outcome"], line.get("run")) for line in lines] == [
        ("request", "GET /v1/health", 200, "done", None),
        ("request", "GET /v1/runs/{run}", 404, "refused", "0123456789ab"),
    ]


def test_a_request_that_fails_is_told_with_its_trace_and_counted(world: World, caplog: Lines, capsys: Capture) -> None:
    world.fail_at(1, error=lambda: RuntimeError("the table is away"))
    assert request("/v1/runs/{run}", run="0123456789ab")["statusCode"] == 500
    (line,) = caplog.records
    assert (line.levelname, vars(line)["outcome"], vars(line)["status"]) == ("ERROR", "failed", 500)
    assert line.exc_info
    assert [line["step"] for line in figures(capsys, "StepsFailed")] == ["request"]


def test_a_service_that_is_away_fails_a_request_and_is_no_fault_of_ours(world: World, capsys: Capture) -> None:
    world.fail_at(1, error=UnavailableError)
    assert request("/v1/runs/{run}", run="0123456789ab")["statusCode"] == 503
    assert figures(capsys, "StepsFailed") == []


def test_a_tick_has_done_what_its_items_have_done(world: World, caplog: Lines) -> None:
    push_pipeline(world)
    world.clock.advance(600)
    app.reconcile(raw.schedule(), Context())
    assert told(caplog, "tick") == [("tick", "done")]
