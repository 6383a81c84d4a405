"""docs/howto/check-before-you-push.md, typed: the real command line against the real routes over a world in memory."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import app
from tests.app import raw
from tests.app.acts import drop_dataset, push_pipeline, wake_until_quiet
from tests.app.raw import Context
from tests.app.test_simulations import snapshot
from tests.fakes.world import World
from tests.unit.clitool import Tool
from tests.unit.docs import ROOT, blocks
from tests.unit.stubcloud import StubCloud, running

PAGE = ROOT / "docs" / "howto" / "check-before-you-push.md"
COMMANDS = [command for block in blocks("sh", PAGE) for command in block.commands]
((EVENT,), (TRANSCRIPT,)) = (tuple(block.text for block in blocks(kind, PAGE)) for kind in ("json", "text"))


@pytest.fixture
def cloud(world: World, tmp_path: Path) -> Iterator[StubCloud]:
    del world  # it is behind the app
    with running(tmp_path / "home") as cloud:
        for route in ("/v1/checks", "/v1/simulations"):
            cloud.routes[f"/api{route}"] = lambda _, route=route: ask(cloud, route)  # type: ignore[misc] # bound here
        yield cloud


def ask(cloud: StubCloud, route: str) -> tuple[int, object]:
    """Hand what was posted last to the real app."""
    response = app.app(raw.post(route, body=cloud.posted[-1][1]), Context())
    return response["statusCode"], json.loads(response["body"])


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Make what stands in the page as FOLDER and FILE.json."""
    for name in ("training/1.png", "training/2.png", "evaluation/1.png"):
        (tmp_path / "friday" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "friday" / name).write_bytes(b"pixels")
    (tmp_path / "tick.json").write_text(EVENT)
    here = {"FOLDER": tmp_path / "friday", "FILE.json": tmp_path / "tick.json"}
    return {name: str(path) for name, path in here.items()} | {
        "examples/digits/pipeline": str(ROOT / "examples" / "digits" / "pipeline")
    }


def words(command: str, files: dict[str, str]) -> list[str]:
    return [files.get(word, word) for word in shlex.split(command)[1:]]


def test_the_page_shows_what_a_check_says(world: World, cloud: StubCloud, files: dict[str, str]) -> None:
    before = snapshot(world)
    ended = Tool(cloud)(*words(COMMANDS[1], files))
    assert (ended.code, ended.out) == (0, TRANSCRIPT), ended.err
    assert (snapshot(world), cloud.put) == (before, [])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_page_answers_and_does_nothing(
    world: World, cloud: StubCloud, files: dict[str, str], command: str
) -> None:
    push_pipeline(world)
    wake_until_quiet(world, seconds=30)
    drop_dataset(world, "1.png", dataset="friday")
    wake_until_quiet(world)
    (job,) = world.jobs.names
    world.jobs.finish(job, {}, ["7", "1"])
    app.on_job_changed(raw.job_changed(job), Context())
    before = snapshot(world)
    ended = Tool(cloud)(*words(command, files))
    assert ended.code == 0, ended.err
    assert (snapshot(world), cloud.put) == (before, [])
