"""`dropforge start`: what it asks for, what it says, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.clitool import RUN, Tool
from tests.unit.stubcloud import StubCloud, problem, running

SAID = f"The dataset digits/friday is sealed: run {RUN}, preparing."


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[StubCloud]:
    with running(tmp_path / "home") as cloud:
        cloud.routes["/api/v1/runs"] = 202, answer()
        yield cloud


@pytest.fixture
def dropforge(cloud: StubCloud) -> Tool:
    return Tool(cloud)


def answer(**more: Any) -> dict[str, Any]:
    said = {"changed": True, "state": "sealed", "stage": "preparing", "run": RUN, "dataset": "digits/friday"}
    return said | {"what": SAID} | more


@pytest.mark.parametrize("name", ["friday", "digits/friday"])
def test_a_dataset_is_started_with_values_of_toml(cloud: StubCloud, dropforge: Tool, name: str) -> None:
    values = ("--set", "train.hyperparameters.epochs=50", "--set", 'train.instance_type="ml.m5.xlarge"')
    ended = dropforge("start", "digits", "--dataset", name, *values, "--reason", "once more")
    assert (ended.code, ended.out.splitlines()[0]) == (0, SAID), ended.err
    assert f"dropforge show {RUN} --follow" in ended.out
    train = {"hyperparameters": {"epochs": 50}, "instance_type": "ml.m5.xlarge"}
    asked = {"pipeline": "digits", "dataset": "friday", "set": {"train": train}, "reason": "once more"}
    assert cloud.posted == [("/api/v1/runs", asked)]


@pytest.mark.parametrize("stage", ["live", "registered", "failed"])
def test_what_is_over_already_is_not_said_to_go_on(cloud: StubCloud, dropforge: Tool, stage: str) -> None:
    said = answer(changed=False, stage=stage, what="It is a run already; nothing was started.")
    cloud.routes["/api/v1/runs"] = 202, said
    told = ["It is a run already; nothing was started.", f"`dropforge show {RUN}` shows what became of it."]
    assert dropforge("start", "digits", "--dataset", "friday").out.splitlines() == told


def test_data_elsewhere_is_started_by_its_channels(cloud: StubCloud, dropforge: Tool) -> None:
    channels = {"training": "s3://lake/digits/", "evaluation": "s3://lake/digits.csv"}
    words = [word for name, uri in channels.items() for word in ("--channel", f"{name}={uri}")]
    assert json.loads(dropforge("start", "digits", *words, "--json").out) == answer()
    assert cloud.posted == [("/api/v1/runs", {"pipeline": "digits", "channels": channels})]


def test_a_dataset_that_is_refused_ends_so(cloud: StubCloud, dropforge: Tool) -> None:
    cloud.routes["/api/v1/runs"] = 202, answer(state="refused", run=None, what="The dataset is refused: empty.")
    ended = dropforge("start", "digits", "--dataset", "friday")
    assert (ended.code, ended.out) == (3, "")
    assert "The dataset is refused: empty." in ended.err


@pytest.mark.parametrize(("status", "code"), [(404, 2), (422, 3), (409, 3)])
def test_what_the_api_refuses_is_told(cloud: StubCloud, dropforge: Tool, status: int, code: int) -> None:
    cloud.routes["/api/v1/runs"] = status, problem(status, "refused", "train.epochs: cannot be overridden")
    ended = dropforge("start", "digits", "--dataset", "friday")
    assert (ended.code, "train.epochs: cannot be overridden" in ended.err) == (code, True)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--dataset", "friday", "--channel", "training=s3://lake/"),
        ("--channel", "training"),
        ("--channel", "training=/home/ada"),
        ("--channel", "training=s3://lake/a/", "--channel", "training=s3://lake/b/"),
        ("--dataset", "friday", "--set", "epochs"),
        ("--dataset", "friday", "--set", "train.instance_type=ml.m5.large"),
        ("--dataset", "friday", "--set", "train.since=2027-01-15"),
        ("--dataset", "friday", "--set", "a=1", "--set", "a=2"),
    ],
)
def test_what_cannot_be_meant_asks_for_nothing(cloud: StubCloud, dropforge: Tool, words: tuple[str, ...]) -> None:
    ended = dropforge("start", "digits", *words)
    assert ended.code == 2, ended.err
    assert cloud.posted == []
