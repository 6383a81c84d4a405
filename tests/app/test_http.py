"""The routes, through the real app with API Gateway's raw events; predict has tests of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

import app
from chalicelib.errors import ConflictError, ThrottledError
from chalicelib.model import (
    Candidate,
    Channel,
    Dataset,
    DatasetId,
    DatasetState,
    Entry,
    PipelineRecord,
    Release,
    ReleaseStage,
    Run,
    RunState,
    Serving,
    Target,
)
from chalicelib.ports import TrainingJob
from tests.app import raw
from tests.app.raw import Context
from tests.fakes.world import World

NOW = 1_800_000_000.0
NOW_ISO = "2027-01-15T08:00:00.000+00:00"
RUN12 = "000000000007"
JOB = f"df-test-digits-{RUN12}-0-a1"
PACKAGE = "arn:aws:sagemaker:us-east-1:000000000000:model-package/df-test-digits/3"
CHANNELS = (Channel("training", 2, 12, "s3://bucket/runs/digits/000000000007/input/training.manifest"),)


def run_id(number: int) -> str:
    return f"v1{number:012x}" + "0" * 52


def a_run(number: int = 7, **changes: Any) -> Run:
    fields: dict[str, Any] = {
        "id": run_id(number),
        "pipeline": "digits",
        "dataset": DatasetId("digits", "mnist"),
        "version": "version-1",
        "digest": "digest",
        "sealed_at": NOW,
        "created_at": NOW + number,
        "channels": CHANNELS,
    }
    return Run(**fields | changes)


def candidate(**changes: Any) -> Candidate:
    fields: dict[str, Any] = {
        "job": JOB,
        "status": "Completed",
        "secondary": "Completed",
        "metrics": {"accuracy": 0.97},
    }
    return Candidate(**fields | changes)


def target(run: str, **changes: Any) -> Target:
    fields: dict[str, Any] = {
        "digest": f"digest-{run[2:14]}",
        "run": run,
        "version": "version-1",
        "package": PACKAGE,
        "model_version": 3,
        "model": "model",
        "config": "config",
        "metrics": {},
        "labels": (),
        "order": (NOW, NOW),
        "cause": "trained",
        "generation": 4,
    }
    return Target(**fields | changes)


def get(
    resource: str, query: Mapping[str, str | list[str]] | None = None, **names: str
) -> tuple[int, dict[str, Any], dict[str, str]]:
    response = app.app(raw.get(resource, names, query), Context())
    return response["statusCode"], json.loads(response["body"]), response["headers"]


def found(resource: str, query: Mapping[str, str | list[str]] | None = None, **names: str) -> dict[str, Any]:
    status, body, headers = get(resource, query, **names)
    assert (status, headers["Content-Type"]) == (200, "application/json"), body
    return body


def refused(resource: str, query: Mapping[str, str | list[str]] | None = None, **names: str) -> tuple[int, str, str]:
    status, body, headers = get(resource, query, **names)
    assert headers["Content-Type"] == "application/problem+json"
    assert set(body) == {"type", "title", "status", "detail", "code", "request_id", "retryable"}
    assert (body["status"], body["request_id"]) == (status, "request-1")
    return status, body["code"], body["detail"]


def test_health_asks_nobody(world: World) -> None:
    assert found("/v1/health") == {"status": "ok"}
    assert world.calls == ()


def test_a_model_tells_what_it_takes(world: World) -> None:
    world.records.serve(
        Serving("digits", True, "endpoint", run_id(7), 3, accept=("image/png",), labels=("0", "1"), title="Digits")
    )
    assert found("/v1/models/{model}", model="digits") == {
        "model": "digits",
        "title": "Digits",
        "live": True,
        "version": 3,
        "run": RUN12,
        "accept": ["image/png"],
        "max_bytes": 4_500_000,
        "labels": ["0", "1"],
        "top_k": 5,
    }


def test_a_model_that_is_not_live_says_so(world: World) -> None:
    world.records.serve(Serving("digits", accept=("image/png",)))
    body = found("/v1/models/{model}", model="digits")
    assert (body["live"], body["version"], body["run"]) == (False, None, None)


def test_an_unknown_model_is_not_found(world: World) -> None:  # noqa: ARG001 -- an empty world is behind the app
    assert refused("/v1/models/{model}", model="cats")[:2] == (404, "not-found")


def test_pipelines_are_listed_with_what_is_wrong_with_them(world: World) -> None:
    world.records.save(PipelineRecord("cats", problem="train.framwork: unknown key"))
    world.records.save(PipelineRecord("digits", version="version-1", accepted_at=NOW, title="Digits"))
    body = found("/v1/pipelines")
    assert body["next"] is None
    assert {item["pipeline"]: item["state"] for item in body["pipelines"]} == {"cats": "refused", "digits": "accepted"}
    assert found("/v1/pipelines/{pipeline}", pipeline="digits") == {
        "pipeline": "digits",
        "title": "Digits",
        "state": "accepted",
        "version": "version-1",
        "problem": None,
        "accepted_at": NOW_ISO,
        "paused": None,
    }


def test_a_dataset_tells_its_run_or_what_to_do(world: World) -> None:
    world.records.save(Dataset(DatasetId("digits", "mnist"), DatasetState.SEALED, run=run_id(7), channels=CHANNELS))
    world.records.save(Dataset(DatasetId("digits", "empty"), DatasetState.REFUSED, reason="no training", todo="add it"))
    body = found("/v1/datasets/{pipeline}/{dataset}", pipeline="digits", dataset="mnist")
    assert (body["dataset"], body["state"], body["run"]) == ("digits/mnist", "sealed", RUN12)
    assert body["channels"] == [{"name": "training", "objects": 2, "bytes": 12}]
    body = found("/v1/datasets/{pipeline}/{dataset}", pipeline="digits", dataset="empty")
    assert (body["run"], body["reason"], body["todo"]) == (None, "no training", "add it")


@pytest.mark.parametrize("name", ["zwölf + 1%", "👨\u200d👩\u200d👧", "no\u00a0break", "%41"])
def test_a_dataset_is_found_under_its_name_as_sent_or_as_meant(world: World, name: str) -> None:
    world.records.save(Dataset(DatasetId("digits", name)))
    for sent in (name, quote(name, safe="")):
        body = found("/v1/datasets/{pipeline}/{dataset}", pipeline="digits", dataset=sent)
        assert body["dataset"] == f"digits/{name}"


def test_datasets_are_filtered_by_pipeline_and_state(world: World) -> None:
    for pipeline, name, state in (
        ("digits", "a", DatasetState.SEALED),
        ("digits", "b", DatasetState.REFUSED),
        ("cats", "c", DatasetState.SEALED),
    ):
        world.records.save(Dataset(DatasetId(pipeline, name), state, first_seen=NOW))
    body = found("/v1/datasets", {"pipeline": "digits", "state": "sealed"})
    assert [item["dataset"] for item in body["datasets"]] == ["digits/a"]


def test_runs_come_newest_first_in_pages_that_what_is_new_does_not_shift(world: World) -> None:
    for number in range(5):
        world.records.save(a_run(number))
    first = found("/v1/runs", {"limit": "2"})
    world.records.save(a_run(9))
    second = found("/v1/runs", {"limit": "2", "next": first["next"]})
    third = found("/v1/runs", {"limit": "2", "next": second["next"]})
    assert [int(item["run"], 16) for page in (first, second, third) for item in page["runs"]] == [4, 3, 2, 1, 0]
    assert third["next"] is None


def test_runs_are_filtered_by_pipeline_and_state(world: World) -> None:
    world.records.save(a_run(1, state=RunState.FAILED))
    world.records.save(a_run(2, state=RunState.FAILED, pipeline="cats"))
    world.records.save(a_run(3, state=RunState.TRAINING))
    body = found("/v1/runs", {"pipeline": "digits", "state": "failed"})
    assert [int(item["run"], 16) for item in body["runs"]] == [1]


def test_a_run_is_told_with_metrics_release_and_timeline(world: World) -> None:
    run = a_run(state=RunState.REGISTERED, candidate=candidate(), labels=("0", "1"), package=PACKAGE, ended_at=NOW)
    world.records.save(run, Entry(NOW, "sealed", {"objects": 2}), Entry(NOW + 1, "training"))
    world.records.save(Release("digits", 4, ReleaseStage.IDLE, live=target(run.id)))
    body = found("/v1/runs/{run}", run=RUN12)
    assert (body["run"], body["id"], body["dataset"], body["stage"]) == (RUN12, run.id, "digits/mnist", "live")
    assert (body["metrics"], body["labels"], body["sealed_at"]) == ({"accuracy": 0.97}, ["0", "1"], NOW_ISO)
    assert (body["candidate"]["job"], body["candidate"]["status"]) == (JOB, "Completed")
    assert body["release"] == {"stage": "live", "generation": 4, "reason": None}
    assert body["timeline"][0] == {"at": NOW_ISO, "what": "sealed", "facts": {"objects": 2}}
    assert [line["what"] for line in body["timeline"]] == ["sealed", "training"]


def test_a_release_that_refused_the_run_says_why(world: World) -> None:
    run = a_run(state=RunState.REGISTERED, candidate=candidate())
    world.records.save(run)
    world.records.save(Release("digits", 4, failed={f"digest-{RUN12}": "It called a seven a one."}))
    body = found("/v1/runs/{run}", run=RUN12)
    assert body["stage"] == "release-failed"
    assert body["release"] == {"stage": "release-failed", "generation": None, "reason": "It called a seven a one."}


def test_a_metric_that_ran_away_is_null_and_the_answer_stays_json(world: World) -> None:
    world.records.save(a_run(candidate=candidate(metrics={"loss": float("inf"), "nan": float("nan")})))
    response = app.app(raw.get("/v1/runs/{run}", {"run": RUN12}), Context())
    assert "Infinity" not in response["body"]
    assert json.loads(response["body"])["metrics"] == {"loss": None, "nan": None}


def test_a_timeline_is_paged_oldest_first(world: World) -> None:
    world.records.save(a_run(), *(Entry(NOW + number, f"step {number}") for number in range(5)))
    first = found("/v1/runs/{run}/timeline", {"limit": "3"}, run=RUN12)
    second = found("/v1/runs/{run}/timeline", {"limit": "3", "next": first["next"]}, run=RUN12)
    assert [line["what"] for page in (first, second) for line in page["timeline"]] == [f"step {n}" for n in range(5)]
    assert second["next"] is None


def test_a_log_goes_on_where_its_last_page_ended(world: World) -> None:
    world.records.save(a_run(candidate=candidate(status="InProgress")))
    world.jobs.start(
        TrainingJob(JOB, "image", "ml.m5.large", 30, 3600, CHANNELS, "s3://bucket/runs/digits/000000000007/output/")
    )
    world.jobs.say(JOB, "epoch 1", "epoch 2")
    first = found("/v1/runs/{run}/log", {"limit": "1"}, run=RUN12)
    assert first["lines"] == [{"at": NOW_ISO, "text": "epoch 1"}]
    second = found("/v1/runs/{run}/log", {"next": first["next"]}, run=RUN12)
    assert [line["text"] for line in second["lines"]] == ["epoch 2"]
    empty = found("/v1/runs/{run}/log", {"next": second["next"]}, run=RUN12)
    assert empty["lines"] == []
    world.jobs.say(JOB, "epoch 3")
    last = found("/v1/runs/{run}/log", {"next": empty["next"]}, run=RUN12)
    assert [line["text"] for line in last["lines"]] == ["epoch 3"]


def test_a_run_without_a_job_has_an_empty_log_and_no_artifacts(world: World) -> None:
    world.records.save(a_run())
    assert found("/v1/runs/{run}/log", run=RUN12) == {"lines": [], "next": None}
    assert found("/v1/runs/{run}/artifacts", run=RUN12) == {"artifacts": []}


def test_artifacts_are_links_to_what_is_there(world: World) -> None:
    world.records.save(a_run(candidate=candidate()))
    world.bucket.put(f"runs/digits/{RUN12}/output/{JOB}/output/model.tar.gz", b"model")
    (artifact,) = found("/v1/runs/{run}/artifacts", run=RUN12)["artifacts"]
    assert artifact["name"] == "model"
    assert f"{JOB}/output/model.tar.gz" in artifact["url"]
    assert artifact["expires_at"] == "2027-01-15T08:15:00.000+00:00"


def test_a_release_shows_its_slots(world: World) -> None:
    live, pending = target(run_id(7)), replace(target(run_id(8)), generation=0)
    world.records.save(Release("digits", 4, live=live, pending=pending, failed={"digest-x": "it failed"}))
    body = found("/v1/releases/{pipeline}", pipeline="digits")
    assert (body["stage"], body["generation"], body["desired"], body["previous"]) == ("idle", 4, None, None)
    assert (body["live"]["run"], body["live"]["model_version"]) == (RUN12, 3)
    assert body["pending"]["run"] == "000000000008"
    assert body["failed"] == {"digest-x": "it failed"}


@pytest.mark.parametrize(
    ("resource", "names"),
    [
        ("/v1/pipelines/{pipeline}", {"pipeline": "cats"}),
        ("/v1/datasets/{pipeline}/{dataset}", {"pipeline": "digits", "dataset": "none"}),
        ("/v1/runs/{run}", {"run": "ffffffffffff"}),
        ("/v1/runs/{run}/timeline", {"run": "ffffffffffff"}),
        ("/v1/runs/{run}/log", {"run": "ffffffffffff"}),
        ("/v1/runs/{run}/artifacts", {"run": "ffffffffffff"}),
        ("/v1/runs/{run}", {"run": "../../etc/passwd"}),
        ("/v1/runs/{run}", {"run": "0" * 5000}),
        ("/v1/runs/{run}", {"run": "\ud800" * 12}),
        ("/v1/models/{model}", {"model": "m" * 5000}),
        ("/v1/pipelines/{pipeline}", {"pipeline": "p" * 5000}),
        ("/v1/datasets/{pipeline}/{dataset}", {"pipeline": "p" * 5000, "dataset": "d"}),
        ("/v1/datasets/{pipeline}/{dataset}", {"pipeline": "digits", "dataset": "d" * 5000}),
        ("/v1/datasets/{pipeline}/{dataset}", {"pipeline": "digits", "dataset": "\ud800"}),
        ("/v1/releases/{pipeline}", {"pipeline": "p" * 5000}),
        ("/v1/releases/{pipeline}", {"pipeline": "cats"}),
    ],
)
def test_what_is_not_there_is_not_found(world: World, resource: str, names: dict[str, str]) -> None:  # noqa: ARG001 -- an empty world
    assert refused(resource, None, **names)[:2] == (404, "not-found")


@pytest.mark.parametrize("limit", ["0", "101", "-1", "1.5", "ten", "", "٣", "9" * 5000, "0" * 7 + "505", "1 "])
def test_a_limit_is_a_number_from_1_to_100(world: World, limit: str) -> None:  # noqa: ARG001 -- an empty world
    status, code, detail = refused("/v1/runs", {"limit": limit})
    assert (status, code) == (400, "invalid-request")
    assert "1 to 100" in detail


@pytest.mark.parametrize("limit", ["1", "100", "007"])
def test_every_number_from_1_to_100_is_a_limit(world: World, limit: str) -> None:  # noqa: ARG001 -- an empty world
    assert found("/v1/runs", {"limit": limit})["runs"] == []


@pytest.mark.parametrize("resource", ["/v1/runs", "/v1/datasets", "/v1/pipelines"])
@pytest.mark.parametrize("token", ["", "nonsense", "bm9uc2Vuc2U", "%00", "x" * 9000])
def test_a_token_that_no_list_gave_is_refused(world: World, resource: str, token: str) -> None:
    world.records.save(a_run())
    assert refused(resource, {"next": token})[:2] == (400, "invalid-request")


@pytest.mark.parametrize(
    ("resource", "names"),
    [
        ("/v1/runs", {}),
        ("/v1/datasets", {}),
        ("/v1/pipelines", {}),
        ("/v1/runs/{run}", {"run": RUN12}),
        ("/v1/runs/{run}/timeline", {"run": RUN12}),
        ("/v1/runs/{run}/log", {"run": RUN12}),
        ("/v1/runs/{run}/artifacts", {"run": RUN12}),
        ("/v1/pipelines/{pipeline}", {"pipeline": "digits"}),
        ("/v1/datasets/{pipeline}/{dataset}", {"pipeline": "digits", "dataset": "mnist"}),
        ("/v1/releases/{pipeline}", {"pipeline": "digits"}),
    ],
)
def test_an_unknown_parameter_is_refused_by_name(world: World, resource: str, names: dict[str, str]) -> None:
    world.records.save(a_run())
    status, code, detail = refused(resource, {"pipline": "digits"}, **names)
    assert (status, code) == (400, "invalid-request")
    assert '"pipline"' in detail


@pytest.mark.parametrize("resource", ["/v1/runs", "/v1/datasets"])
@pytest.mark.parametrize("name", ["", "Digits", "p" * 5000, "\ud800"])
def test_a_filter_for_what_can_be_no_pipeline_is_refused(world: World, resource: str, name: str) -> None:
    assert refused(resource, {"pipeline": name})[:2] == (400, "invalid-request")
    assert world.calls == ()


def test_a_parameter_given_twice_is_refused(world: World) -> None:  # noqa: ARG001 -- an empty world
    assert refused("/v1/runs", {"limit": ["1", "2"]})[:2] == (400, "invalid-request")


@pytest.mark.parametrize("resource", ["/v1/runs", "/v1/datasets"])
def test_an_unknown_state_is_told_the_known_ones(world: World, resource: str) -> None:  # noqa: ARG001 -- an empty world
    status, _, detail = refused(resource, {"state": "done"})
    assert status == 400
    assert "sealed" in detail or "registered" in detail


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ThrottledError(), (429, "throttled")),
        (ConflictError(), (409, "conflict")),
        (KeyError("secret-table-name"), (500, "internal-error")),
    ],
)
def test_an_error_of_the_world_is_a_problem_without_its_insides(
    world: World, error: Exception, expected: tuple[int, str]
) -> None:
    world.fail_at(1, error=lambda: error)
    status, code, detail = refused("/v1/runs")
    assert (status, code) == expected
    assert "secret-table-name" not in detail


def test_operators_sign_clients_bring_a_key_and_health_is_open() -> None:
    guards = {
        path: (method.authorizer.name if method.authorizer else None, method.api_key_required)
        for path, methods in app.app.routes.items()
        for method in methods.values()
    }
    assert guards.pop("/v1/health") == (None, None)
    assert guards.pop("/v1/models/{model}") == (None, True)
    assert guards.pop("/v1/models/{model}/predict") == (None, True)
    assert len(guards) >= 10
    assert set(guards.values()) == {("sigv4", None)}
