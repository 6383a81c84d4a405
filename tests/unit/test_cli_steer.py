"""`dropforge stop`, `retry`, `approve` and `reject`: what they ask for, what they say, and what follows shows of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.clitool import RUN, Tool, run
from tests.unit.stubcloud import StubCloud, problem, running

TODO = f"Let it go live with `dropforge approve {RUN}`, or turn it away with `dropforge reject {RUN}`."
AWAITED = {"reason": "It passed its gate and awaits a person's approval.", "todo": TODO, "approval": "pending"}


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[StubCloud]:
    with running(tmp_path / "home") as cloud:
        yield cloud


@pytest.fixture
def dropforge(cloud: StubCloud) -> Tool:
    return Tool(cloud)


def answer(what: str = "The run is being stopped.", *, changed: bool = True, stage: str = "training") -> dict[str, Any]:
    return {"changed": changed, "state": "training", "stage": stage, "what": what, "run": RUN, "reason": None}


@pytest.mark.parametrize("what", ["stop", "retry", "approve", "reject"])
def test_an_order_is_sent_with_its_reason_and_its_answer_told(cloud: StubCloud, dropforge: Tool, what: str) -> None:
    cloud.routes[f"/api/v1/runs/{RUN}/{what}"] = 200, answer()
    ended = dropforge(what, RUN, "--reason", "because")
    assert ended.code == 0, ended.err
    assert ended.out.splitlines() == [
        "The run is being stopped.",
        f"It is training now: `dropforge show {RUN} --follow` shows how it goes on.",
    ]
    assert cloud.posted == [(f"/api/v1/runs/{RUN}/{what}", {"reason": "because"})]


@pytest.mark.parametrize("stage", ["stopped", "rejected", "live", "replaced"])
def test_what_is_over_is_not_said_to_go_on(cloud: StubCloud, dropforge: Tool, stage: str) -> None:
    cloud.routes[f"/api/v1/runs/{RUN}/stop"] = 200, answer(stage=stage)
    told = f"It is {stage} now: `dropforge show {RUN}` shows how it came to that."
    assert dropforge("stop", RUN).out.splitlines()[-1] == told


def test_an_order_that_changed_nothing_says_so(cloud: StubCloud, dropforge: Tool) -> None:
    cloud.routes[f"/api/v1/runs/{RUN}/stop"] = 200, answer("The run was stopped by ada.", changed=False)
    assert dropforge("stop", RUN).out.startswith("Nothing changed. The run was stopped by ada.\n")


def test_the_answer_as_json(cloud: StubCloud, dropforge: Tool) -> None:
    cloud.routes[f"/api/v1/runs/{RUN}/retry"] = 200, answer()
    assert json.loads(dropforge("retry", RUN, "--json").out) == answer()


def test_an_order_that_makes_no_sense_now_exits_3_with_the_sentence(cloud: StubCloud, dropforge: Tool) -> None:
    cloud.routes[f"/api/v1/runs/{RUN}/stop"] = 409, problem(409, "not-now", "The run is live.")
    ended = dropforge("stop", RUN)
    assert ended.code == 3
    assert "The run is live." in ended.err


def test_a_run_is_meant_by_its_dataset_or_the_version_of_its_model(cloud: StubCloud, dropforge: Tool) -> None:
    arn = "arn:aws:sagemaker:us-east-1:0:model-package/dropforge-dev-digits"
    others = [run("replaced", run="ff" * 6, package=f"{arn}/17"), run("awaiting-approval", package=f"{arn}/7")]
    cloud.routes["/api/v1/runs"] = 200, {"runs": others, "next": None}
    cloud.routes["/api/v1/datasets/digits/first"] = 200, {"dataset": "digits/first", "state": "sealed", "run": RUN}
    cloud.routes[f"/api/v1/runs/{RUN}/approve"] = 200, answer()
    for name in ("digits/first", "digits:7", "latest:7"):
        assert dropforge("approve", name).code == 0
    assert [path for path, _ in cloud.posted] == [f"/api/v1/runs/{RUN}/approve"] * 3


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("digits:8", "The model digits has no version 8"),
        (f"digits:{'9' * 5000}", "The model digits has no version 999"),
        ("digits/none", "There is no dataset digits/none"),
        ("digits/waiting", "The dataset digits/waiting is no run yet"),
    ],
)
def test_a_name_that_means_no_run_is_called_wrongly(cloud: StubCloud, dropforge: Tool, name: str, why: str) -> None:
    cloud.routes["/api/v1/runs"] = 200, {"runs": [run("live", package="arn/7")], "next": None}
    cloud.routes["/api/v1/datasets/digits/waiting"] = 200, {"state": "collecting", "run": None}
    ended = dropforge("approve", name)
    assert (ended.code, why in ended.err) == (2, True), ended.err


def test_who_follows_a_run_is_told_that_it_awaits_a_person_and_how_it_goes_on(
    cloud: StubCloud, dropforge: Tool
) -> None:
    seen = [run("awaiting-approval", candidate=None, **AWAITED), run("live", candidate=None)]
    cloud.routes[f"/api/v1/runs/{RUN}"] = lambda _: (200, seen.pop(0) if len(seen) > 1 else seen[0])
    ended = dropforge("show", RUN, "--follow")
    assert ended.code == 0, ended.err
    assert TODO in " ".join(ended.out.split())
    assert "== live" in ended.out


def test_who_waits_for_too_long_for_a_person_is_told_how_to_approve(cloud: StubCloud, dropforge: Tool) -> None:
    cloud.routes[f"/api/v1/runs/{RUN}"] = 200, run("awaiting-approval", candidate=None, **AWAITED)
    ended = dropforge("wait", RUN, "--for", "live", "--timeout", "0.5")
    assert ended.code == 6
    assert TODO in ended.err
    assert dropforge("wait", RUN, "--for", "registered").code == 0


def test_a_run_that_a_person_rejected_was_not_rejected_by_its_gate(cloud: StubCloud, dropforge: Tool) -> None:
    told = {"reason": "Its model was rejected by ada.", "approval": "rejected"}
    cloud.routes[f"/api/v1/runs/{RUN}"] = 200, run("rejected", candidate=None, **told)
    ended = dropforge("wait", RUN)
    assert ended.code == 5
    assert f"The run {RUN} was rejected: Its model was rejected by ada." in ended.err
