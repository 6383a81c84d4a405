"""`dropforge pause` and `dropforge resume`: what they ask for, and what they say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.clitool import Tool
from tests.unit.stubcloud import StubCloud, problem, running

TOLD = "Paused by arn:ada since 2027-01-15 08:00 UTC: budget."


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[StubCloud]:
    with running(tmp_path / "home") as cloud:
        yield cloud


@pytest.fixture
def dropforge(cloud: StubCloud) -> Tool:
    return Tool(cloud)


def answer(*, changed: bool = True, what: str = TOLD) -> dict[str, Any]:
    return {"changed": changed, "state": "paused", "what": what, "scope": "digits", "paused": None}


def test_a_pipeline_is_paused_with_a_reason(cloud: StubCloud, dropforge: Tool) -> None:
    cloud.routes["/api/v1/pipelines/digits/pause"] = 200, answer()
    ended = dropforge("pause", "digits", "--reason", "budget")
    assert (ended.code, ended.out) == (0, f"{TOLD}\n"), ended.err
    assert cloud.posted == [("/api/v1/pipelines/digits/pause", {"reason": "budget"})]


def test_everything_is_resumed(cloud: StubCloud, dropforge: Tool) -> None:
    cloud.routes["/api/v1/resume"] = 200, answer(changed=False, what="Everything goes on.")
    ended = dropforge("resume", "--all")
    assert (ended.code, ended.out) == (0, "Nothing changed. Everything goes on.\n"), ended.err
    assert cloud.posted == [("/api/v1/resume", {})]


def test_who_resumes_everything_is_told_which_pipelines_stay_paused_by_their_own_names(
    cloud: StubCloud, dropforge: Tool
) -> None:
    def told(name: str, scope: str | None) -> dict[str, Any]:
        return {"pipeline": name, "paused": {"scope": scope} if scope else None}

    found = [told("cats", "cats"), told("digits", "digits"), told("late", "*"), told("free", None)]
    cloud.routes["/api/v1/resume"] = 200, answer(what="Everything goes on.")
    cloud.routes["/api/v1/pipelines"] = 200, {"pipelines": found, "next": None}
    ended = dropforge("resume", "--all")
    assert "Everything goes on." in ended.out
    assert "Still paused by their own names: cats, digits." in ended.err


def test_the_answer_as_json(cloud: StubCloud, dropforge: Tool) -> None:
    cloud.routes["/api/v1/pause"] = 200, answer()
    assert json.loads(dropforge("pause", "--all", "--json").out) == answer()


@pytest.mark.parametrize("words", [("pause",), ("resume",), ("pause", "digits", "--all")])
def test_it_must_be_said_whether_one_or_all_are_meant(
    cloud: StubCloud, dropforge: Tool, words: tuple[str, ...]
) -> None:
    ended = dropforge(*words)
    assert ended.code == 2
    assert "Name one pipeline, or all" in ended.err
    assert cloud.posted == []


def test_a_pipeline_that_is_not_there_is_a_usage_error(cloud: StubCloud, dropforge: Tool) -> None:
    cloud.routes["/api/v1/pipelines/cats/pause"] = 404, problem(404, "not-found", 'There is no pipeline "cats".')
    ended = dropforge("pause", "cats")
    assert (ended.code, 'There is no pipeline "cats".' in ended.err) == (2, True)
