"""What the command line says to those who meant something else: what is wrong, and what to do about it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.unit.clitool import RUN, Tool, run, until
from tests.unit.stubcloud import StubCloud, running


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[StubCloud]:
    with running(tmp_path / "home") as cloud:
        yield cloud


@pytest.fixture
def dropforge(cloud: StubCloud) -> Tool:
    return Tool(cloud)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("runs", "--state", "foo"), "'foo' is not one of"),
        (("datasets", "--state", "live"), "'live' is not one of"),
        (("runs", "--cloud", "moon"), "'moon' is not one of local or aws."),
        (("wait", RUN, "--for", "foo"), "--for': 'foo' is not one of"),
    ],
)
def test_a_word_that_an_option_does_not_take_is_a_usage_error(
    dropforge: Tool, words: tuple[str, ...], why: str
) -> None:
    ended = dropforge(*words)
    assert (ended.code, why in ended.err, "Value error" in ended.err) == (2, True, False), ended


def test_runs_can_be_listed_by_what_became_of_the_registered_ones(cloud: StubCloud, dropforge: Tool) -> None:
    stages = ("live", "replaced", "replaced", "registered")
    told = [run(stage, run=f"{number:012x}") for number, stage in enumerate(stages)]
    pages = {None: {"runs": told[:2], "next": "a"}, "a": {"runs": told[2:], "next": None}}
    cloud.routes["/api/v1/runs"] = lambda query: (200, pages[query.get("next")])
    found = json.loads(dropforge("runs", "--state", "replaced", "--json").out)
    assert [each["run"] for each in found] == [f"{1:012x}", f"{2:012x}"]
    assert all("state=registered" in path for _, path, _ in cloud.seen)
    assert len(json.loads(dropforge("runs", "--state", "replaced", "--limit", "1", "--json").out)) == 1


@pytest.mark.parametrize("words", [("show", "--follow"), ("log", "--follow"), ("wait",)])
def test_a_dataset_that_nobody_knows_is_waited_for_and_said_to_be_so(
    cloud: StubCloud, dropforge: Tool, words: tuple[str, ...]
) -> None:
    with dropforge.start(words[0], "nope/none", *words[1:]) as process:
        until(lambda: len(cloud.seen) > 2)
        cloud.routes["/api/v1/datasets/nope/none"] = 200, {"state": "sealed", "run": RUN, "dataset": "nope/none"}
        cloud.routes[f"/api/v1/runs/{RUN}"] = 200, run("live", candidate=None)
        cloud.routes[f"/api/v1/runs/{RUN}/log"] = 200, {"lines": [], "next": "t"}
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert err.splitlines()[1:] == ["There is no dataset nope/none yet; waiting for its first file."]
    assert out.count("settling") == (words[0] != "log")  # told once, as passed, and not while nothing was known


def test_a_failed_run_names_the_command_that_shows_its_log(cloud: StubCloud, dropforge: Tool) -> None:
    cloud.routes[f"/api/v1/runs/{RUN}"] = 200, run("failed", reason="no memory")
    cloud.routes[f"/api/v1/runs/{RUN}/log"] = 200, {"lines": [], "next": "t"}
    assert f"failed: no memory. `dropforge log {RUN}` shows its log." in dropforge("wait", RUN).err


def test_the_version_is_the_packages(dropforge: Tool) -> None:
    ended = dropforge("--version")
    assert (ended.code, ended.out.strip()) == (0, f"dropforge {version('dropforge')}")


def test_no_stage_is_torn_in_the_help_of_wait(cloud: StubCloud) -> None:
    said = Tool(cloud, {"COLUMNS": "80"})("wait", "--help").out
    assert all(stage in said for stage in ("training", "registered", "rehearsing", "rolling-out", "live"))
