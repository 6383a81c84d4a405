"""up, where a cloud runs already."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dropforge.local.front import STATUS_PATH
from dropforge.local.home import Home
from tests.unit.clitool import Tool
from tests.unit.stubcloud import StubCloud, running


@pytest.fixture
def tool(tmp_path: Path) -> Iterator[Tool]:
    """Give a tool over a home whose cloud runs, with stage dev, speed 0.1, delays 0 and seed 0."""
    with running(tmp_path / "home") as cloud:
        _take(cloud)
        yield Tool(cloud)


def _take(cloud: StubCloud) -> None:
    card = json.loads((cloud.home / "cloud.json").read_text())
    Home(cloud.home).claim()
    (cloud.home / "cloud.json").write_text(json.dumps(card | {"speed": 0.1, "delays": 0.0, "seed": 0}))
    cloud.objects[STATUS_PATH] = b"{}"


@pytest.mark.parametrize("words", [(), ("--speed", "0.1"), ("--with", "dev"), ("--delays", "0", "--seed", "0")])
def test_a_cloud_that_runs_as_it_is_asked_for_is_shown(tool: Tool, words: tuple[str, ...]) -> None:
    ended = tool("up", *words)
    assert (ended.code, "was up already" in ended.err) == (0, True), ended


@pytest.mark.parametrize(
    ("words", "lacks"),
    [
        (("--with", "prod"), "without stage prod:"),
        (("--stage", "prod"), "without stage prod:"),
        (("--speed", "1"), "with speed 0.1:"),
        (("--delays", "0.5", "--seed", "7"), "with delays 0.0 and with seed 0:"),
    ],
)
def test_a_cloud_that_runs_otherwise_than_it_is_asked_for_is_refused(
    tool: Tool, words: tuple[str, ...], lacks: str
) -> None:
    ended = tool("up", *words)
    assert (ended.code, ended.out) == (3, "")
    assert f"runs already, {lacks} `dropforge down` first" in ended.err
