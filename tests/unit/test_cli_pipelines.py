"""`dropforge pipelines`: which there are, as the API's own bodies tell them, and what is paused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.http import bodies
from chalicelib.model import EVERYTHING, Command, Pause, PipelineRecord
from tests.unit.clitool import Tool
from tests.unit.stubcloud import StubCloud, running

ADA = Command(by="arn:ada", at=1_800_000_000.0, reason="budget")
FOUND = [
    bodies.pipeline(PipelineRecord("cats", version="a" * 64, accepted_at=1_800_000_000.0), None),
    bodies.pipeline(PipelineRecord("digits", version="b" * 64, accepted_at=1.0), Pause("digits", ADA)),
    bodies.pipeline(PipelineRecord("late", problem="There is no pipeline.toml."), Pause(EVERYTHING, ADA)),
]


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[StubCloud]:
    with running(tmp_path / "home") as cloud:
        cloud.routes["/api/v1/pipelines"] = lambda query: (
            200,
            {"pipelines": FOUND[2:], "next": None} if query.get("next") else {"pipelines": FOUND[:2], "next": "a"},
        )
        yield cloud


@pytest.fixture
def dropforge(cloud: StubCloud) -> Tool:
    return Tool(cloud)


def test_all_pipelines_are_listed_with_who_paused_them_and_what_is_wrong(dropforge: Tool) -> None:
    ended = dropforge("pipelines")
    header, *rows = (line.split("\t") for line in ended.out.splitlines())
    assert (ended.code, header) == (0, ["pipeline", "state", "version", "accepted", "paused", "why"]), ended.err
    paused = "by arn:ada since 2027-01-15 08:00 UTC: budget."
    assert [(row[:3], row[4:]) for row in rows] == [
        (["cats", "accepted", "a" * 12], ["-", "-"]),
        (["digits", "accepted", "b" * 12], [f"Paused {paused}", "-"]),
        (["late", "refused", "-"], [f"Everything is paused {paused}", "There is no pipeline.toml."]),
    ]


def test_for_programs_the_list_is_what_the_api_says(dropforge: Tool) -> None:
    assert json.loads(dropforge("pipelines", "--json").out) == FOUND


def test_where_there_are_none_it_is_said_what_brings_one(cloud: StubCloud, dropforge: Tool) -> None:
    cloud.routes["/api/v1/pipelines"] = 200, {"pipelines": [], "next": None}
    ended = dropforge("pipelines")
    told = "Nothing yet: `dropforge push FOLDER` begins with a pipeline."
    assert (ended.code, len(ended.out.splitlines()), ended.err.splitlines()[1:]) == (0, 1, [told])
