"""`dropforge releases`, `rollback`, `undeploy` and `redeploy`: what they ask for, and what they say."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.clitool import RUN, Tool
from tests.unit.stubcloud import StubCloud, problem, running


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[StubCloud]:
    with running(tmp_path / "home") as cloud:
        yield cloud


@pytest.fixture
def dropforge(cloud: StubCloud) -> Tool:
    return Tool(cloud)


def target(version: int, **more: Any) -> dict[str, Any]:
    return {"run": f"{version:012x}", "model_version": version, "cause": "trained", "by": None} | more


def release(**more: Any) -> dict[str, Any]:
    slots = dict.fromkeys(("live", "desired", "pending", "previous", "retired", "undeployed", "rolled_back", "waiting"))
    return {"pipeline": "digits", "stage": "idle", "stage_since": None, "failed": {}} | slots | more


def answer(*, changed: bool = True, what: str = "Version 1 is on its way.") -> dict[str, Any]:
    return {"changed": changed, "stage": "idle", "what": what, "release": release()}


def test_a_release_tells_its_slots_what_it_waits_for_and_what_failed(cloud: StubCloud, dropforge: Tool) -> None:
    live = target(3, cause="rollback", by="arn:ada")
    cloud.routes["/api/v1/releases/digits"] = (
        200,
        release(
            stage="rehearsing",
            live=live,
            desired=target(4),
            previous=target(2),
            rolled_back={"by": "arn:ada", "at": "2031-05-01T10:00:00+00:00", "reason": "it errs"},
            waiting="Paused by arn:ada.",
            failed={f"0011-{RUN}": "It called a seven a one."},
        ),
    )
    ended = dropforge("releases", "digits")
    assert ended.code == 0, ended.err
    told = [line.split(None, 1) for line in ended.out.splitlines()]
    assert ["live", "version 3 (run 000000000003), rollback by arn:ada"] in told
    assert ["desired", "version 4 (run 000000000004), trained"] in told
    assert ["waiting", "Paused by arn:ada."] in told
    assert ["failed", f"run {RUN}: It called a seven a one."] in told
    assert any(line.startswith("rolled back by arn:ada at ") for line in ended.out.splitlines())
    assert json.loads(dropforge("releases", "digits", "--json").out)["live"] == live


def test_a_rollback_names_its_version_and_reason(cloud: StubCloud, dropforge: Tool) -> None:
    cloud.routes["/api/v1/releases/digits/rollback"] = 200, answer()
    assert dropforge("rollback", "digits").out == "Version 1 is on its way.\n"
    assert dropforge("rollback", "digits", "--to", "1", "--reason", "it errs").code == 0
    path = "/api/v1/releases/digits/rollback"
    assert cloud.posted == [(path, {}), (path, {"to": 1, "reason": "it errs"})]


def test_what_is_done_already_is_said(cloud: StubCloud, dropforge: Tool) -> None:
    cloud.routes["/api/v1/releases/digits/redeploy"] = 200, answer(changed=False, what="Version 1 is live again.")
    ended = dropforge("redeploy", "digits")
    assert (ended.code, ended.out) == (0, "Nothing changed. Version 1 is live again.\n")
    assert json.loads(dropforge("redeploy", "digits", "--json").out)["changed"] is False


def test_an_undeploy_is_confirmed(cloud: StubCloud, dropforge: Tool) -> None:
    cloud.routes["/api/v1/releases/digits/undeploy"] = 200, answer(what="It is being undeployed.")
    ended = dropforge("undeploy", "digits")
    assert ended.code == 2
    assert "Say --yes to undeploy digits: clients will get no answers." in ended.err
    assert cloud.posted == []
    assert dropforge("undeploy", "digits", "--yes").out == "It is being undeployed.\n"
    assert cloud.posted == [("/api/v1/releases/digits/undeploy", {"confirm": "digits"})]


def test_ctrl_c_at_the_question_exits_130_as_everywhere(cloud: StubCloud) -> None:
    with Tool(cloud, {"FORCE_COLOR": "1"}).start("undeploy", "digits", stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        read = process.stdout.read
        asked = "".join(iter(lambda: read(1), "?"))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert asked == "Clients of digits will get no answers. Undeploy it"
    assert (process.returncode, "Aborted" in err, cloud.posted) == (130, False, [])


@pytest.mark.parametrize("words", [("rollback",), ("undeploy", "--yes"), ("redeploy",)])
def test_what_makes_no_sense_now_is_refused_with_a_sentence(
    cloud: StubCloud, dropforge: Tool, words: tuple[str, ...]
) -> None:
    why = "Nothing was live before version 1; `--to` goes to another version."
    cloud.routes[f"/api/v1/releases/digits/{words[0]}"] = 409, problem(409, "not-now", why)
    ended = dropforge(words[0], "digits", *words[1:])
    assert (ended.code, why.rstrip(".") in ended.err) == (3, True)


def test_a_model_that_was_never_released_is_a_usage_error(cloud: StubCloud, dropforge: Tool) -> None:
    cloud.routes["/api/v1/releases/cats/rollback"] = 404, problem(404, "not-found", "It has released nothing.")
    assert dropforge("rollback", "cats").code == 2
