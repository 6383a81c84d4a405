"""What files, and in what order, make a dataset; and what is not trained twice."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from tests.e2e.conftest import Cloud, wait_until
from tests.e2e.pipelines import (
    PIXEL,
    Tiny,
    drop,
    fresh,
    go_live,
    jobs_of,
    knobs,
    label_of,
    log_of,
    push,
    release_of,
    until_sealed,
    until_stage,
)


def test_a_dataset_that_came_before_its_pipeline_starts_when_the_pipeline_arrives(cloud: Cloud) -> None:
    tiny = Tiny(fresh("late"))
    drop(cloud, tiny.name, "early", knobs(label="b"))
    wait_until(lambda: "pipeline" in _waiting(cloud, tiny.name, "early"))
    assert cloud.status_of(f"{tiny.name}/early")["state"] == "collecting"
    assert not jobs_of(cloud, tiny.name)
    push(cloud, tiny)
    run = until_sealed(cloud, tiny.name, "early")
    assert until_stage(cloud, run)["dataset"] == f"{tiny.name}/early"
    assert label_of(cloud.predict(tiny.name, PIXEL)) == "b"


@pytest.mark.parametrize("extension", ["zip", "npz", "csv"])
def test_one_object_is_a_dataset_and_reaches_training_verbatim_as_its_one_channel(cloud: Cloud, extension: str) -> None:
    tiny = Tiny(fresh(extension), deploy="rehearse = false")
    body = bytes(range(256)) * 17 + extension.encode()
    push(cloud, tiny)
    cloud.put(f"datasets/{tiny.name}/drop.{extension}", body)
    seen = until_stage(cloud, until_sealed(cloud, tiny.name, "drop"))
    assert seen["channels"] == [{"name": "training", "objects": 1, "bytes": len(body)}]
    assert {f"seen training/drop.{extension}", f"digest {hashlib.sha256(body).hexdigest()}"} <= {
        *log_of(cloud, seen["run"])
    }


def test_a_ready_file_with_counts_seals_the_moment_that_the_listing_agrees(cloud: Cloud) -> None:
    tiny = Tiny(fresh("counts"), quiet_seconds=900)
    push(cloud, tiny)
    some, last = {"training/a.csv": b"1\n", "training/b.csv": b"2\n"}, {"training/c.csv": b"3\n"}
    cloud.put(f"datasets/{tiny.name}/one/_READY", json.dumps({"training": 3}))
    drop(cloud, tiny.name, "one", some, ready=False)
    wait_until(lambda: "agrees with _READY" in _waiting(cloud, tiny.name, "one"))
    drop(cloud, tiny.name, "one", last, ready=False)
    run = until_sealed(cloud, tiny.name, "one")
    assert cloud.get(f"/v1/runs/{run}")["channels"] == [{"name": "training", "objects": 3, "bytes": 6}]


def test_editing_gate_deploy_and_serve_alone_rolls_out_and_trains_nothing(cloud: Cloud) -> None:
    tiny = Tiny(fresh("edit"), at_least=0.5)
    push(cloud, tiny)
    run = go_live(cloud, tiny.name, "one", knobs(label="b"))["run"]
    first = cloud.predict(tiny.name, PIXEL)
    assert [each["label"] for each in first.json["results"][0]["predictions"]] == ["b", "other"]
    edits = [
        replace(tiny, top_k=1),
        replace(tiny, top_k=1, at_least=0.1, deploy="initial_instance_count = 2"),
        replace(tiny, top_k=1, at_least=0.1, deploy="initial_instance_count = 2", serve={"label": "renamed"}),
    ]
    for generation, edited in enumerate(edits, 2):
        version = push(cloud, edited)
        release = wait_until(partial(_lives, cloud, tiny.name, version), 120)
        assert (release["generation"], release["live"]["run"]) == (generation, run)
    assert len(jobs_of(cloud, tiny.name)) == 1
    answer = wait_until(lambda: _answers(cloud, tiny.name, "renamed"))
    assert len(answer["results"][0]["predictions"]) == 1
    assert answer["model"]["run"] == run


def test_the_same_content_under_another_name_is_trained_once(cloud: Cloud) -> None:
    tiny, files = Tiny(fresh("twins")), knobs(label="b")
    push(cloud, tiny)
    drop(cloud, tiny.name, "one", files)
    drop(cloud, tiny.name, "two", files)
    runs = {until_sealed(cloud, tiny.name, name) for name in ("one", "two")}
    assert len(runs) == 1
    until_stage(cloud, *runs)
    drop(cloud, tiny.name, "three", files)
    assert {until_sealed(cloud, tiny.name, "three")} == runs
    for name in ("one", "two", "three"):
        wait_until(partial(_is_told_live, cloud, f"{tiny.name}/{name}"))
    assert len(jobs_of(cloud, tiny.name)) == 1
    assert release_of(cloud, tiny.name)["generation"] == 1


def _waiting(cloud: Cloud, pipeline: str, name: str) -> str:
    """Give the sentence that says why a dataset is still collecting."""
    reply = cloud.http("GET", f"/v1/datasets/{pipeline}/{name}", signed=True)
    return str(reply.json["waiting"]) if reply.status == 200 else ""


def _is_told_live(cloud: Cloud, dataset: str) -> bool:
    return bool(cloud.status_of(dataset)["stage"] == "live")


def _lives(cloud: Cloud, pipeline: str, version: str) -> dict[str, Any] | None:
    release = release_of(cloud, pipeline)
    return release if release["stage"] == "idle" and release["live"]["pipeline_version"] == version else None


def _answers(cloud: Cloud, pipeline: str, label: str) -> dict[str, Any] | None:
    """What SERVING says is cached for seconds: the newest answer may be a moment away."""
    reply = cloud.predict(pipeline, PIXEL)
    return dict(reply.json) if label_of(reply) == label else None
