"""A model goes live, or does not, while clients keep asking: none meets an untested one, none is turned away."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.e2e.conftest import Cloud, wait_until
from tests.e2e.crowd import Crowd
from tests.e2e.pipelines import (
    PIXEL,
    Tiny,
    drop,
    fresh,
    go_live,
    jobs_of,
    knobs,
    label_of,
    push,
    release_of,
    until_sealed,
    until_stage,
)

ENOUGH = 2000
UNDER_LOAD = 240.0


@dataclass(frozen=True)
class Champion:
    """A live model that answers "a", and the pipeline that made it."""

    tiny: Tiny
    run: str


@pytest.fixture(scope="module")
def champion(cloud: Cloud) -> Champion:
    tiny = Tiny(fresh("champ"), expect="a")
    push(cloud, tiny)
    return Champion(tiny, str(go_live(cloud, tiny.name, "first", knobs(label="a"))["run"]))


def endpoints_of(cloud: Cloud, pipeline: str) -> dict[str, str]:
    """Give the endpoints of a pipeline with their configurations, as SageMaker knows them."""
    sagemaker, head = cloud.client("sagemaker"), f"{cloud.card['stages'][cloud.stage]['stack']}-{pipeline}-"
    found = sagemaker.list_endpoints(NameContains=head)["Endpoints"]
    seen = {}
    for name in [each["EndpointName"] for each in found]:
        with contextlib.suppress(sagemaker.exceptions.ClientError):  # gone since it was listed
            seen[name] = sagemaker.describe_endpoint(EndpointName=name)["EndpointConfigName"]
    return seen


def only_the_live_one(cloud: Cloud, pipeline: str) -> dict[str, str]:
    """Wait until nothing but the live endpoint is left; give it with its configuration."""

    def left() -> dict[str, str] | None:
        there = endpoints_of(cloud, pipeline)
        return there if len(there) == 1 else None

    return wait_until(left, 120)


def in_doubt(seen: dict[str, Any]) -> str:
    """Give the reason that operators read in a run whose model was not released."""
    assert (seen["state"], seen["stage"]) == ("registered", "release-failed"), seen
    return str(seen["release"]["reason"])


def test_a_second_deployment_under_eight_clients_fails_no_request_and_ends_with_only_the_new_model(
    cloud: Cloud,
) -> None:
    tiny = Tiny(fresh("second"))
    push(cloud, tiny)
    old = go_live(cloud, tiny.name, "old", knobs(label="old"))["run"]
    with Crowd(cloud, tiny.name) as crowd:
        wait_until(lambda: crowd.asked(200), UNDER_LOAD)
        drop(cloud, tiny.name, "new", knobs(label="new"))
        new = until_sealed(cloud, tiny.name, "new", seconds=UNDER_LOAD)
        until_stage(cloud, new, "live", seconds=UNDER_LOAD)
        live = time.monotonic()
        wait_until(lambda: crowd.asked(ENOUGH) and crowd.asked(500, since=live), UNDER_LOAD)
    assert crowd.failures() == []
    assert set(crowd.tally()) == {(200, "old", old), (200, "new", new)}
    assert crowd.labels(since=live) == {"new"}
    assert len(crowd.answers) >= ENOUGH
    assert len(jobs_of(cloud, tiny.name)) == 2
    assert list(only_the_live_one(cloud, tiny.name).values()) == [release_of(cloud, tiny.name)["live"]["config"]]
    assert cloud.get(f"/v1/runs/{old}")["stage"] == "replaced"


@pytest.mark.parametrize(
    ("values", "why"),
    [
        pytest.param({"label": "b"}, "smoke test 1 failed", id="answers-wrongly"),
        pytest.param({"label": "a", "serve": "errors"}, "Internal Server Error", id="answers-500"),
        pytest.param({"label": "a", "serve": "answers-nonsense"}, "cannot be read", id="answers-what-nobody-can-read"),
        pytest.param({"label": "a", "serve": "never-pings"}, "ping", id="never-answers-ping"),
        pytest.param({"label": "a", "serve": "cannot-load"}, "did not come up", id="cannot-load"),
    ],
)
def test_a_model_that_fails_its_rehearsal_meets_no_client_and_costs_the_champion_no_request(
    cloud: Cloud, champion: Champion, values: dict[str, str], why: str, request: pytest.FixtureRequest
) -> None:
    name, dataset = champion.tiny.name, request.node.callspec.id
    serving = only_the_live_one(cloud, name)
    with Crowd(cloud, name) as crowd:
        wait_until(lambda: crowd.asked(50), UNDER_LOAD)
        drop(cloud, name, dataset, knobs(**values))
        seen = until_stage(cloud, until_sealed(cloud, name, dataset), "release-failed", seconds=UNDER_LOAD)
        failed = time.monotonic()
        wait_until(lambda: crowd.asked(100, since=failed), UNDER_LOAD)
    assert why in in_doubt(seen)
    assert crowd.failures() == []
    assert set(crowd.tally()) == {(200, "a", champion.run)}
    assert only_the_live_one(cloud, name) == serving
    assert release_of(cloud, name)["live"]["run"] == champion.run


def test_the_status_of_a_drop_tells_why_its_model_was_not_released(cloud: Cloud, champion: Champion) -> None:
    name = champion.tiny.name
    drop(cloud, name, "told", knobs(label="c"))
    run = until_sealed(cloud, name, "told")
    reason = in_doubt(until_stage(cloud, run, "release-failed"))
    status = wait_until(lambda: _in_stage(cloud, f"{name}/told", "release-failed"))
    assert status["reason"] == reason
    assert reason in release_of(cloud, name)["failed"].values()


def _in_stage(cloud: Cloud, dataset: str, stage: str) -> Any:
    status = cloud.status_of(dataset)
    return status if status and status["stage"] == stage else None


@pytest.mark.parametrize("serve", ["errors", "never-pings"])
def test_a_first_model_that_fails_leaves_the_route_closed_and_no_endpoint_behind(cloud: Cloud, serve: str) -> None:
    tiny = Tiny(fresh("first"))
    push(cloud, tiny)
    before = cloud.predict(tiny.name, PIXEL)
    drop(cloud, tiny.name, "one", knobs(label="a", serve=serve))
    seen = until_stage(cloud, until_sealed(cloud, tiny.name, "one"), "release-failed")
    assert in_doubt(seen)
    wait_until(lambda: not endpoints_of(cloud, tiny.name), 120)
    for reply in (before, cloud.predict(tiny.name, PIXEL)):
        assert reply.status == 503, reply
        assert int(reply.headers["retry-after"]) > 0
        assert reply.json["retryable"] is True
    assert cloud.http("GET", f"/v1/models/{tiny.name}", key=cloud.api_key).json["live"] is False

    # And a corrected serving script is all it takes: the same training serves.
    corrected = replace(tiny, serve={"serve": "works"})
    push(cloud, corrected)
    wait_until(lambda: cloud.get(f"/v1/runs/{seen['run']}")["stage"] == "live", 120)
    assert label_of(cloud.predict(tiny.name, PIXEL)) == "a"
    assert len(jobs_of(cloud, tiny.name)) == 1
