"""The operators' door, through the real gateway: signatures, lists, one run with all that belongs to it."""

from __future__ import annotations

import http.client
import io
import json
import tarfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.e2e.conftest import Cloud, fetch
from tests.e2e.pipelines import (
    Registered,
    Tiny,
    drop,
    fresh,
    go_live,
    knobs,
    push,
    release_of,
    until_dataset,
    until_sealed,
    until_stage,
)
from tests.e2e.problems import problem

READS = ["/v1/pipelines", "/v1/datasets", "/v1/runs", "/v1/runs/{run}", "/v1/runs/{run}/log", "/v1/releases/{pipeline}"]

UNUSUAL = "käse + 100%"
NAMES = ["one", "two", "three", "number four", UNUSUAL]


@dataclass(frozen=True)
class Live:
    """A pipeline with a live model, and the run that made it."""

    pipeline: str
    run: str

    def path(self, template: str) -> str:
        return template.format(run=self.run, pipeline=self.pipeline)


@pytest.fixture(scope="module")
def live(cloud: Cloud) -> Live:
    tiny = Tiny(fresh("seen"), top='title = "Seen by operators"', at_least=0.5)
    push(cloud, tiny)
    return Live(tiny.name, go_live(cloud, tiny.name, "one", knobs(label="cat"))["run"])


@pytest.fixture(scope="module")
def shelf(cloud: Cloud) -> str:
    """A pipeline with five registered runs, and a refused dataset."""
    tiny = Registered(fresh("shelf"))
    push(cloud, tiny)
    for name in NAMES:
        drop(cloud, tiny.name, name, knobs(label=name))
    drop(cloud, tiny.name, "refused", {"evaluation/a.csv": b"1"})
    for name in NAMES:
        until_stage(cloud, until_sealed(cloud, tiny.name, quote(name)), "registered")
    until_dataset(cloud, tiny.name, "refused", "refused")
    return tiny.name


def pages(cloud: Cloud, path: str, plural: str, limit: int) -> Iterator[list[Any]]:
    """Read a list page by page."""
    token: str | None = None
    joint = "&" if "?" in path else "?"
    while True:
        page = cloud.get(f"{path}{joint}limit={limit}" + (f"&next={quote(token, safe='')}" if token else ""))
        yield page[plural]
        token = page["next"]
        if token is None:
            return


def test_an_unknown_path_a_wrong_method_and_an_unsigned_call_get_one_and_the_same_answer(
    cloud: Cloud, live: Live
) -> None:
    replies = [
        cloud.http("GET", "/v1/nothing/here"),
        cloud.http("GET", "/"),
        cloud.http("GET", "/v1/runs/a/b/c/d", key=cloud.api_key),
        cloud.http("POST", "/v1/health", b"{}"),
        cloud.http("DELETE", f"/v1/runs/{live.run}", signed=True),
        cloud.http("GET", f"/v1/models/{live.pipeline}/predict", key=cloud.api_key),
        *[cloud.http("GET", live.path(each)) for each in READS],
        *[cloud.http("GET", live.path(each), key=cloud.api_key) for each in READS],
    ]
    said = [problem(reply, 404) | {"request_id": ""} for reply in replies]
    assert all(each == said[0] for each in said), said


@pytest.mark.parametrize("path", READS)
def test_a_wrong_signature_is_refused(cloud: Cloud, live: Live, path: str) -> None:
    forged = Cloud(cloud.card | {"secret_key": "not the secret"}, cloud.stage)
    stranger = Cloud(cloud.card | {"access_key": "AKIANOBODY"}, cloud.stage)
    for other in (forged, stranger):
        said = problem(other.http("GET", live.path(path), signed=True), 403)
        assert said["code"] == "invalid-signature"


def test_a_signature_for_another_request_is_refused(cloud: Cloud, live: Live) -> None:
    place = urlsplit(cloud.api)
    for forged in ("AWS4-HMAC-SHA256 Credential=x", "Bearer token", "AWS4-HMAC-SHA256 " + "x" * 4000):
        connection = http.client.HTTPConnection(place.netloc, timeout=35)
        connection.request("GET", f"{place.path}/v1/runs/{live.run}", headers={"Authorization": forged})
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["code"]) == (403, "invalid-signature")
        connection.close()


def test_pipelines_are_listed_and_shown(cloud: Cloud, live: Live) -> None:
    shown = cloud.get(f"/v1/pipelines/{live.pipeline}")
    assert (shown["title"], shown["state"], shown["problem"]) == ("Seen by operators", "accepted", None)
    assert shown["version"] == cloud.status_of(live.pipeline)["version"]
    listed = [each for page in pages(cloud, "/v1/pipelines", "pipelines", 100) for each in page]
    assert shown in listed


def test_datasets_are_filtered_by_pipeline_and_state(cloud: Cloud, shelf: str) -> None:
    every = cloud.get(f"/v1/datasets?pipeline={shelf}")["datasets"]
    assert {each["dataset"] for each in every} == {f"{shelf}/{name}" for name in NAMES} | {f"{shelf}/refused"}
    (refused,) = cloud.get(f"/v1/datasets?pipeline={shelf}&state=refused")["datasets"]
    assert refused["dataset"] == f"{shelf}/refused"
    assert 'requires the channel "training"' in refused["reason"]
    assert refused["todo"]
    assert len(cloud.get(f"/v1/datasets?pipeline={shelf}&state=sealed")["datasets"]) == len(NAMES)
    assert cloud.get(f"/v1/datasets?pipeline={shelf}&state=collecting")["datasets"] == []


def test_runs_are_filtered_by_pipeline_and_state(cloud: Cloud, shelf: str, live: Live) -> None:
    (only,) = cloud.get(f"/v1/runs?pipeline={live.pipeline}")["runs"]
    assert (only["run"], only["stage"], only["state"]) == (live.run, "live", "registered")
    assert len(cloud.get(f"/v1/runs?pipeline={shelf}&state=registered")["runs"]) == len(NAMES)
    assert cloud.get(f"/v1/runs?pipeline={shelf}&state=failed")["runs"] == []
    everywhere = [each["run"] for page in pages(cloud, "/v1/runs?state=registered", "runs", 50) for each in page]
    assert live.run in everywhere


def test_pages_of_runs_stay_as_they_were_while_new_runs_appear(cloud: Cloud) -> None:
    tiny = Registered(fresh("pages"))
    push(cloud, tiny)

    def sealed(name: str) -> str:
        drop(cloud, tiny.name, name, knobs(label=name))
        return until_sealed(cloud, tiny.name, name)

    before = [sealed(f"before{number}") for number in range(4)]
    seen: list[str] = []
    for number, page in enumerate(pages(cloud, f"/v1/runs?pipeline={tiny.name}", "runs", 1)):
        seen += [each["run"] for each in page]
        if number < 2:
            sealed(f"meanwhile{number}")
    assert seen == before[::-1]


def test_a_run_tells_its_metrics_its_release_and_its_timeline(cloud: Cloud, live: Live) -> None:
    run = cloud.get(f"/v1/runs/{live.run}")
    assert run["dataset"] == f"{live.pipeline}/one"
    assert run["metrics"] == {"validation:accuracy": 0.9}
    assert run["labels"] == ["cat", "other"]
    assert run["channels"] == [{"name": "training", "objects": 2, "bytes": len(json.dumps({"label": "cat"})) + 4}]
    assert run["candidate"]["status"] == "Completed"
    assert run["candidate"]["billable_seconds"] >= 0
    assert run["package"].startswith("arn:aws:sagemaker:")
    assert run["release"] == {"stage": "live", "generation": 1, "reason": None}
    assert run["sealed_at"] <= run["created_at"] <= run["ended_at"]
    whole = [each for page in pages(cloud, f"/v1/runs/{live.run}/timeline", "timeline", 2) for each in page]
    assert whole == run["timeline"]
    assert all(one["at"] <= other["at"] for one, other in pairwise(whole))
    said = [each["what"] for each in whole]
    milestones = ["training started", "training completed", "registered", "release: rehearsing", "release: live"]
    assert [each for each in said if each in milestones] == milestones
    assert cloud.get(f"/v1/runs/{run['id']}") == run


def test_a_log_is_paged_and_goes_on_where_its_last_page_ended(cloud: Cloud, live: Live) -> None:
    whole = cloud.get(f"/v1/runs/{live.run}/log?limit=100")["lines"]
    read: list[Any] = []
    token: str | None = None
    while True:
        page = cloud.get(f"/v1/runs/{live.run}/log?limit=3" + (f"&next={quote(token, safe='')}" if token else ""))
        read += page["lines"]
        token = page["next"]
        assert token
        assert len(page["lines"]) <= 3
        if not page["lines"]:
            break
    assert read == whole
    said = [line["text"] for line in read]
    assert "seen training/data.csv" in said
    assert "accuracy=0.9" in said


def test_the_links_to_artifacts_download_what_training_left(cloud: Cloud, live: Live) -> None:
    log, model = sorted(cloud.get(f"/v1/runs/{live.run}/artifacts")["artifacts"], key=lambda each: str(each["name"]))
    assert (log["name"], model["name"]) == ("log", "model")
    assert model["expires_at"] > cloud.get(f"/v1/runs/{live.run}")["ended_at"]
    reply = fetch(urllib.request.Request(model["url"]), 35)  # noqa: S310  http
    assert reply.status == 200
    with tarfile.open(fileobj=io.BytesIO(reply.body)) as archive:
        found = archive.extractfile("model.json")
        assert found is not None
        assert json.load(found) == {"label": "cat", "serve": "works"}
    kept = fetch(urllib.request.Request(log["url"]), 35)  # noqa: S310  http
    assert kept.status == 200
    told = cloud.get(f"/v1/runs/{live.run}/log")["lines"]
    assert kept.body.decode().splitlines() == [line["text"] for line in told]
    forged = model["url"].replace("Signature=", "Signature=0", 1)
    assert fetch(urllib.request.Request(forged), 35).status == 403  # noqa: S310  http


def test_a_release_shows_what_is_live(cloud: Cloud, live: Live) -> None:
    release = release_of(cloud, live.pipeline)
    assert (release["stage"], release["generation"]) == ("idle", 1)
    assert release["live"]["run"] == live.run
    assert release["live"]["labels"] == ["cat", "other"]
    assert (release["pending"], release["failed"]) == (None, {})


@pytest.mark.parametrize(
    "path",
    [
        "/v1/pipelines/nobody",
        "/v1/pipelines/No%20Body",
        "/v1/datasets/nobody/one",
        "/v1/datasets/{pipeline}/none",
        "/v1/datasets/{pipeline}/%00%ff",
        "/v1/runs/000000000000",
        "/v1/runs/latest",
        "/v1/runs/000000000000/log",
        "/v1/runs/000000000000/timeline",
        "/v1/runs/000000000000/artifacts",
        "/v1/releases/nobody",
    ],
)
def test_what_is_not_there_is_not_found_by_name(cloud: Cloud, live: Live, path: str) -> None:
    said = problem(cloud.http("GET", live.path(path), signed=True), 404)
    assert (said["code"], said["retryable"]) == ("not-found", False)
    assert said["detail"].startswith(("There is no ", "The pipeline "))


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("limit=0", '"limit"'),
        ("limit=101", '"limit"'),
        ("limit=", '"limit"'),
        ("limit=%D9%A1", '"limit"'),
        ("next=", '"next"'),
        ("next=garbage", "next"),
        ("next=" + "x" * 8000, "next"),
        ("colour=red", '"colour"'),
        ("limit=1&limit=2", '"limit"'),
        ("state=happy", '"happy"'),
        ("pipeline=No%20Body", '"pipeline"'),
    ],
)
@pytest.mark.parametrize("plural", ["runs", "datasets"])
def test_a_bad_query_is_refused_by_the_parameter_s_name(cloud: Cloud, plural: str, query: str, names: str) -> None:
    said = problem(cloud.http("GET", f"/v1/{plural}?{query}", signed=True), 400)
    assert said["code"] == "invalid-request"
    assert names in said["detail"]


def test_a_token_of_one_list_is_refused_by_another(cloud: Cloud, shelf: str) -> None:
    token = quote(cloud.get(f"/v1/runs?pipeline={shelf}&limit=1")["next"], safe="")
    for path in (f"/v1/datasets?next={token}", f"/v1/runs?pipeline=another&next={token}"):
        reply = cloud.http("GET", path, signed=True)
        assert problem(reply, 400)["code"] == "invalid-request"


def test_a_dataset_is_shown_under_a_name_with_any_characters(cloud: Cloud, shelf: str) -> None:
    seen = cloud.get(f"/v1/datasets/{shelf}/{quote(UNUSUAL)}")
    assert seen["dataset"] == f"{shelf}/{UNUSUAL}"
    assert cloud.get(f"/v1/runs/{seen['run']}")["dataset"] == f"{shelf}/{UNUSUAL}"
