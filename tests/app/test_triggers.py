"""app.py's handlers, called with raw events over a world in memory; the machines themselves have tests of their own."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import app
from chalicelib.errors import ConflictError
from chalicelib.model import DatasetId, DatasetState, RunState
from chalicelib.names import pipeline_status_key
from tests.app import raw
from tests.app.acts import drop_dataset, push_pipeline, wake_until_quiet
from tests.app.raw import Context
from tests.fakes.world import World

MNIST = DatasetId("digits", "mnist")


def test_a_pushed_pipeline_is_accepted_after_its_settle(world: World) -> None:
    push_pipeline(world)
    wake_until_quiet(world, seconds=30)
    record = world.records.pipeline("digits")
    assert record is not None
    assert record.version is not None
    assert json.loads(world.bucket.read(pipeline_status_key("digits")))["state"] == "accepted"


def test_a_drop_seals_and_starts_its_training_job_in_the_same_breath(world: World) -> None:
    push_pipeline(world)
    wake_until_quiet(world, seconds=30)
    drop_dataset(world, "1.png", "2.png")
    wake_until_quiet(world)
    dataset = world.records.dataset(MNIST)
    assert dataset is not None
    assert dataset.state is DatasetState.SEALED
    assert dataset.run is not None
    run = world.records.run(dataset.run)
    assert run is not None
    assert run.state is RunState.TRAINING
    assert world.count("jobs.start") == 1


def test_a_dataset_that_came_first_starts_when_its_pipeline_arrives(world: World) -> None:
    drop_dataset(world, "1.png")
    wake_until_quiet(world)
    assert world.count("jobs.start") == 0
    push_pipeline(world)
    wake_until_quiet(world)
    assert world.count("jobs.start") == 1


def test_a_finished_job_and_its_endpoints_end_in_a_live_model(world: World) -> None:
    push_pipeline(world)
    wake_until_quiet(world, seconds=30)
    drop_dataset(world, "1.png")
    wake_until_quiet(world)
    (job,) = world.jobs.names
    world.jobs.finish(job, labels=["0", "1"])
    app.on_job_changed(raw.job_changed(job), Context())
    for _ in range(10):
        wake_until_quiet(world, seconds=60)
        world.hosting.settle()
        for endpoint in world.hosting.endpoints:
            app.on_endpoint_changed(raw.endpoint_changed(endpoint), Context())
    serving = world.records.serving("digits")
    assert serving is not None
    assert serving.live


def test_messages_that_nobody_can_read_spoil_no_others(world: World) -> None:
    world.bucket.put("datasets/digits/mnist/training/1.png", b"pixels")
    good = raw.created("datasets/digits/mnist/training/1.png", world.clock())
    event = raw.batch("not JSON", good, json.dumps({"detail-type": "Object Created"}), "[" * 10_000)
    failed = app.on_uploads(event, Context())
    assert failed == {"batchItemFailures": [{"itemIdentifier": name} for name in ("m0", "m2", "m3")]}
    assert world.records.dataset(MNIST) is not None


def test_a_wake_up_that_fails_comes_again_and_the_others_are_done(world: World) -> None:
    push_pipeline(world)
    world.clock.advance(60)
    world.fail_at(1, error=lambda: RuntimeError("the table is away"))
    failed = app.on_wake(raw.batch("dataset:digits/none", "pipeline:digits", "nonsense"), Context())
    assert failed == {"batchItemFailures": [{"itemIdentifier": "m2"}, {"itemIdentifier": "m0"}]}
    record = world.records.pipeline("digits")
    assert record is not None
    assert record.version is not None


def test_each_step_logs_one_line_that_says_what_it_was_about(world: World, caplog: pytest.LogCaptureFixture) -> None:
    app.on_wake(raw.batch("release:digits", "dataset:digits/mnist"), Context())
    assert world.count("jobs.start") == 0
    app.on_job_changed(raw.job_changed("df-test-digits-0123456789ab-0-a1"), Context())
    told = [vars(line) for line in caplog.records]
    assert [(line["step"], line.get("release"), line.get("dataset"), line.get("run")) for line in told] == [
        ("wake", "digits", None, None),
        ("wake", None, "digits/mnist", None),
        ("job-changed", None, None, "0123456789ab"),
    ]


def test_a_step_that_fails_is_told_with_its_trace_and_counted(
    world: World, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    world.fail_at(1, error=lambda: RuntimeError("the table is away"))
    app.on_wake(raw.batch("run:0123456789ab"), Context())
    (line,) = caplog.records
    assert (line.levelname, vars(line)["step"], vars(line)["run"]) == ("ERROR", "wake", "0123456789ab")
    assert line.exc_info
    (metric,) = (json.loads(text) for text in capsys.readouterr().out.splitlines() if "StepsFailed" in text)
    assert (metric["StepsFailed"], metric["step"], metric["stage"]) == (1, "wake", "test")


def test_a_conflict_is_everyday_and_no_failure(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.fail_at(1, error=ConflictError)
    failed = app.on_wake(raw.batch("run:0123456789ab"), Context())
    assert failed == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert [line.levelname for line in caplog.records] == ["WARNING"]


def test_the_same_subject_twice_in_a_batch_is_looked_at_once(world: World) -> None:
    app.on_wake(raw.batch("run:0123456789ab", "run:0123456789ab"), Context())
    once = world.count("records.run")
    app.on_wake(raw.batch("run:0123456789ab"), Context())
    assert world.count("records.run") == 2 * once


def test_a_strangers_job_and_endpoint_touch_nothing(world: World) -> None:
    app.on_job_changed(raw.job_changed("someone-elses-job"), Context())
    app.on_endpoint_changed(raw.endpoint_changed("df-test2-digits-realtime"), Context())
    assert world.calls == ()


def test_a_tick_over_an_empty_world_changes_nothing(world: World) -> None:
    app.reconcile(raw.schedule(), Context())
    assert world.count("jobs.start") == 0


def test_importing_the_app_loads_nothing_heavy() -> None:
    """Every function of the zip pays for what app.py's top imports."""
    heavy = {"boto3", "botocore.session", "pydantic", "chalicelib.pipeline", "chalicelib.aws"}
    assert heavy.isdisjoint(fresh("import sys, app", "list(sys.modules)"))


def test_a_function_that_reads_no_pipeline_file_builds_none_of_its_validators() -> None:
    loaded = "import chalicelib.flows.runs; from chalicelib.pipeline import schema, Pipeline"
    assert fresh(loaded, "[Pipeline.__pydantic_complete__, schema.Train.__pydantic_complete__]") == [False, False]


def fresh(statements: str, value: str) -> Any:
    """Give a value as a Python that was just started sees it."""
    ran = subprocess.run(
        [sys.executable, "-c", f"import json; {statements}; print(json.dumps({value}))"],
        cwd=Path(app.__file__).parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(ran.stdout)


def test_no_route_decides_anything() -> None:
    views = [
        view
        for file in (Path(app.__file__).parent / "chalicelib" / "http").glob("*.py")
        for view in ast.parse(file.read_text()).body
        if isinstance(view, ast.FunctionDef) and any("door." in ast.unparse(it) for it in view.decorator_list)
    ]
    assert len(views) >= 25
    for view in views:
        assert not any(isinstance(node, ast.If | ast.IfExp | ast.While | ast.Try) for node in ast.walk(view)), view.name
        body = [node for node in view.body if not isinstance(node, ast.Expr | ast.ImportFrom)]
        assert len(body) <= 5, view.name


def test_no_handler_is_longer_than_five_lines_or_decides_anything() -> None:
    tree = ast.parse(Path(app.__file__).read_text())
    handlers = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert len(handlers) >= 6
    for handler in handlers:
        body = handler.body[1:] if ast.get_docstring(handler) else handler.body
        assert body[-1].end_lineno - body[0].lineno < 5, handler.name  # type: ignore[operator] # parsed text has lines
        assert not any(isinstance(node, ast.If | ast.IfExp | ast.For | ast.Try) for node in ast.walk(handler)), (
            handler.name
        )
