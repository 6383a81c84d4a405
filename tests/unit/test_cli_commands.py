"""The command line from outside: what it prints where, and the exit code it leaves."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.unit.clitool import RUN, Tool, run, until
from tests.unit.stubcloud import StubCloud, problem, running


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[StubCloud]:
    with running(tmp_path / "home") as cloud:
        yield cloud


@pytest.fixture
def dropforge(cloud: StubCloud) -> Tool:
    return Tool(cloud)


def test_every_header_names_the_cloud_that_is_meant(cloud: StubCloud, dropforge: Tool) -> None:
    cloud.routes["/api/v1/runs"] = 200, {"runs": [run("live")], "next": None}
    ended = dropforge("runs")
    assert ended.code == 0
    assert ended.err.strip() == f"local cloud at {cloud.home} · stage dev"


@pytest.mark.parametrize("name", ["runs", "datasets"])
def test_an_empty_list_says_what_would_fill_it(cloud: StubCloud, dropforge: Tool, name: str) -> None:
    cloud.routes[f"/api/v1/{name}"] = 200, {name: [], "next": None}
    for words, told in (
        ((), "Nothing yet: `dropforge drop PIPELINE FOLDER` begins with a dataset."),
        (("--pipeline", "cats"), f"Nothing of that kind: `dropforge {name}` lists all."),
    ):
        ended = dropforge(name, *words)
        assert (ended.code, len(ended.out.splitlines()), ended.err.splitlines()[1:]) == (0, 1, [told])
        ended = dropforge(name, *words, "--json")
        assert (ended.out, len(ended.err.splitlines())) == ("[]\n", 1)


def test_a_table_in_a_pipe_is_plain_lines_with_tabs(cloud: StubCloud, dropforge: Tool) -> None:
    cloud.routes["/api/v1/runs"] = 200, {"runs": [run("live")], "next": None}
    header, row = dropforge("runs").out.splitlines()
    assert header.split("\t")[:3] == ["run", "dataset", "stage"]
    assert row.split("\t")[:4] == [RUN, "digits/first", "live", "validation:accuracy = 0.97"]


@pytest.mark.parametrize("words", [("runs",), ("runs", "--json")])
def test_a_terminal_of_another_alphabet_is_written_to_all_the_same(cloud: StubCloud, words: tuple[str, ...]) -> None:
    cloud.routes["/api/v1/runs"] = 200, {"runs": [run("live", dataset="digits/größe-七-😀")], "next": None}
    with Tool(cloud, {"PYTHONIOENCODING": "ascii"}).start(*words) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err.count("\n")) == (0, 1), err
    assert "--json" not in words or json.loads(out)[0]["dataset"] == "digits/größe-七-😀"
    assert "digits/gr\\" in out


def test_a_limit_beyond_all_numbers_is_a_usage_error(dropforge: Tool) -> None:
    ended = dropforge("runs", "--limit", "9" * 20)
    assert (ended.code, "--limit" in ended.err) == (2, True), ended.err


@pytest.mark.parametrize("card", ["{}", "[]", "null", '{"stages": {"dev": null}}', '{"stages": {"dev": {"api": 1}}}'])
def test_a_cloud_json_that_tells_of_no_cloud_is_named(cloud: StubCloud, dropforge: Tool, card: str) -> None:
    (cloud.home / "cloud.json").write_text(card)
    ended = dropforge("runs")
    told = f"{cloud.home / 'cloud.json'} tells of no cloud: `dropforge down`, then `dropforge up`."
    assert (ended.code, told in ended.err) == (1, True), ended.err


def test_json_is_all_there_is_on_stdout(cloud: StubCloud, dropforge: Tool) -> None:
    cloud.routes["/api/v1/runs"] = 200, {"runs": [run("live")], "next": None}
    assert json.loads(dropforge("runs", "--json").out)[0]["run"] == RUN


def test_a_long_list_is_read_page_by_page_up_to_its_limit(cloud: StubCloud, dropforge: Tool) -> None:
    def page(query: Mapping[str, str]) -> tuple[int, Any]:
        begin = int(query.get("next", "0"))
        return 200, {
            "runs": [run("live", run=f"{number:012x}") for number in range(begin, begin + 100)],
            "next": str(begin + 100),
        }

    cloud.routes["/api/v1/runs"] = page
    found = json.loads(dropforge("runs", "--json", "--limit", "250").out)
    assert [each["run"] for each in found] == [f"{number:012x}" for number in range(250)]


@pytest.mark.parametrize(
    ("stage", "code", "word"),
    [
        ("live", 0, ""),
        ("rejected", 5, "was rejected by its gate: too low"),
        ("failed", 4, "failed: too low"),
        ("stopped", 4, "was stopped: too low"),
        ("release-failed", 4, "was not released: too low"),
        ("replaced", 4, "was replaced by another; nothing failed: `dropforge runs` shows which."),
    ],
)
def test_wait_ends_as_the_run_did(cloud: StubCloud, dropforge: Tool, stage: str, code: int, word: str) -> None:
    cloud.routes[f"/api/v1/runs/{RUN}"] = 200, run(stage, reason="too low", candidate=None)
    ended = dropforge("wait", RUN, "--for", "live")
    assert ended.code == code, ended.err
    assert word in ended.err
    assert len(ended.err.splitlines()) == (2 if code else 1)


@pytest.mark.parametrize(("cause", "by"), [("rollback", "a rollback"), ("trained", "another run")])
def test_who_waits_for_a_run_that_was_replaced_is_told_by_what(
    cloud: StubCloud, dropforge: Tool, cause: str, by: str
) -> None:
    cloud.routes[f"/api/v1/runs/{RUN}"] = 200, run("replaced", candidate=None)
    live = {"run": "ff" * 6, "model_version": 1, "cause": cause}
    cloud.routes["/api/v1/releases/digits"] = 200, {"live": live}
    ended = dropforge("wait", RUN)
    told = f"The run {RUN} was replaced by {by}; nothing failed: version 1 (run {'ff' * 6}) is live."
    assert (ended.code, told in ended.err) == (4, True), ended.err


def test_wait_counts_the_seconds_from_its_first_look(cloud: StubCloud, dropforge: Tool) -> None:
    seen = [run("training", candidate=None), run("live", candidate=None)]
    cloud.routes[f"/api/v1/runs/{RUN}"] = lambda _: (200, seen.pop(0) if len(seen) > 1 else seen[0])
    first, second = (float(line.partition("s  ")[0]) for line in dropforge("wait", RUN).out.splitlines())
    assert second > first


@pytest.mark.parametrize("command", [("show", RUN, "--follow"), ("log", RUN, "--follow")])
def test_following_ends_where_a_pipeline_only_trains_and_registers(
    cloud: StubCloud, dropforge: Tool, command: tuple[str, ...]
) -> None:
    cloud.routes[f"/api/v1/runs/{RUN}"] = 200, run("registered")
    cloud.routes[f"/api/v1/runs/{RUN}/log"] = 200, {"lines": [], "next": "t"}
    assert dropforge(*command).code == 0


def test_waiting_for_more_than_a_pipeline_does_is_over_at_once(cloud: StubCloud, dropforge: Tool) -> None:
    cloud.routes[f"/api/v1/runs/{RUN}"] = 200, run("registered", candidate=None)
    ended = dropforge("wait", RUN, "--for", "live", "--timeout", "20")
    assert ended.code == 4
    assert f"The run {RUN} is registered and goes no further: its pipeline only trains and registers." in ended.err
    assert dropforge("wait", RUN, "--for", "registered").code == 0


@pytest.mark.parametrize(
    "under_way",
    [{"release": {"stage": "registered", "generation": None, "reason": None}}, {"state": "evaluating"}],
)
def test_a_registered_run_whose_release_is_yet_to_come_is_waited_for(
    cloud: StubCloud, dropforge: Tool, under_way: dict[str, Any]
) -> None:
    cloud.routes[f"/api/v1/runs/{RUN}"] = 200, run("registered", candidate=None, **under_way)
    assert dropforge("wait", RUN, "--for", "live", "--timeout", "0.5").code == 6


def test_wait_that_takes_too_long_exits_6(cloud: StubCloud, dropforge: Tool) -> None:
    cloud.routes[f"/api/v1/runs/{RUN}"] = 200, run("training", candidate=None)
    ended = dropforge("wait", RUN, "--timeout", "0.5")
    assert ended.code == 6
    assert "is still training after 0.5 s" in ended.err


def test_wait_for_an_earlier_stage_is_over_when_a_later_one_is_reached(cloud: StubCloud, dropforge: Tool) -> None:
    cloud.routes[f"/api/v1/runs/{RUN}"] = 200, run("rehearsing", candidate=None)
    assert dropforge("wait", RUN, "--for", "registered").code == 0


def test_wait_for_a_dataset_that_is_refused_exits_3_and_says_what_to_do(cloud: StubCloud, dropforge: Tool) -> None:
    said = {
        "dataset": "digits/first",
        "state": "refused",
        "run": None,
        "reason": "no training channel",
        "todo": "Add one.",
    }
    cloud.routes["/api/v1/datasets/digits/first"] = 200, said
    ended = dropforge("wait", "digits/first")
    assert ended.code == 3
    assert "The dataset digits/first was refused: no training channel. Add one." in ended.err


def test_a_dataset_with_unusual_characters_is_asked_for_by_its_whole_name(cloud: StubCloud, dropforge: Tool) -> None:
    said = {"dataset": "digits/a b+%ü", "state": "sealed", "run": RUN, "reason": None}
    cloud.routes["/api/v1/datasets/digits/a b+%ü"] = 200, said
    cloud.routes[f"/api/v1/runs/{RUN}"] = 200, run("live", candidate=None)
    assert dropforge("wait", "digits/a b+%ü").code == 0


@pytest.mark.parametrize("text", ["latest", "0123", RUN, "v1" + RUN + "0" * 52])
def test_a_run_is_found_by_any_of_its_names(cloud: StubCloud, dropforge: Tool, text: str) -> None:
    others = [run("live"), run("failed", run="ff" * 6)]
    cloud.routes["/api/v1/runs"] = lambda query: (200, {"runs": others[: int(query["limit"])], "next": None})
    cloud.routes[f"/api/v1/runs/{RUN}"] = 200, run("live", candidate=None)
    assert json.loads(dropforge("show", text, "--json").out)["run"] == RUN


@pytest.mark.parametrize(
    ("text", "why"), [("0", "2 runs begin with 0"), ("9", "No run begins with 9"), ("xyz", "names no run")]
)
def test_a_name_that_fits_no_single_run_is_a_usage_error(
    cloud: StubCloud, dropforge: Tool, text: str, why: str
) -> None:
    cloud.routes["/api/v1/runs"] = 200, {"runs": [run("live"), run("live", run="0" * 12)], "next": None}
    ended = dropforge("show", text)
    assert ended.code == 2
    assert why in ended.err


def test_show_tells_the_timeline_in_seconds_since_its_beginning(cloud: StubCloud, dropforge: Tool) -> None:
    cloud.routes[f"/api/v1/runs/{RUN}"] = 200, run("live", candidate=None)
    assert "     0.0s  sealed  objects=3" in dropforge("show", RUN).out


def test_log_prints_the_lines_as_they_are(cloud: StubCloud, dropforge: Tool) -> None:
    pages: dict[str | None, Any] = {
        None: {"lines": [{"at": "2031-05-01T10:00:00+00:00", "text": "epoch 1"}], "next": "a"},
        "a": {"lines": [{"at": "2031-05-01T10:00:01+00:00", "text": "[bold]epoch 2"}], "next": "b"},
        "b": {"lines": [], "next": "b"},
    }
    cloud.routes[f"/api/v1/runs/{RUN}"] = 200, run("live")
    cloud.routes[f"/api/v1/runs/{RUN}/log"] = lambda query: (200, pages[query.get("next")])
    assert dropforge("log", RUN).out == "epoch 1\n[bold]epoch 2\n"


def test_a_log_that_is_followed_ends_as_its_run_did(cloud: StubCloud, dropforge: Tool) -> None:
    cloud.routes[f"/api/v1/runs/{RUN}"] = 200, run("failed", reason="no memory")
    cloud.routes[f"/api/v1/runs/{RUN}/log"] = 200, {"lines": [], "next": "t"}
    assert dropforge("log", RUN).code == 0
    ended = dropforge("log", RUN, "--follow")
    assert (ended.code, f"The run {RUN} failed: no memory." in ended.err) == (4, True), ended


@pytest.mark.parametrize(
    ("seen", "code", "words"),
    [
        (None, 2, "There is no dataset digits/first: `dropforge datasets` lists them."),
        ({"state": "collecting", "waiting": "more"}, 2, "The dataset digits/first is no run yet"),
        ({"state": "refused", "reason": "no channel", "todo": "Add one."}, 3, "was refused: no channel. Add one."),
    ],
)
def test_where_there_is_no_run_the_log_says_why(
    cloud: StubCloud, dropforge: Tool, seen: dict[str, Any] | None, code: int, words: str
) -> None:
    if seen:
        cloud.routes["/api/v1/datasets/digits/first"] = 200, seen | {"dataset": "digits/first", "run": None}
    ended = dropforge("log", "digits/first")
    assert (ended.code, words in ended.err, ended.out) == (code, True, ""), ended


def test_follow_shows_stages_progress_and_metrics_as_plain_lines(cloud: StubCloud, dropforge: Tool) -> None:
    said = ["hello", "dropforge.progress=0.50 half", "dropforge.metric validation:accuracy=0.97"]
    lines = [{"at": None, "text": text} for text in said]
    cloud.routes[f"/api/v1/runs/{RUN}"] = 200, run("live")
    cloud.routes[f"/api/v1/runs/{RUN}/log"] = lambda query: (
        200,
        {"lines": [] if query.get("next") else lines, "next": "a"},
    )
    shown = [line.split("s  ", 1)[1] for line in dropforge("show", RUN, "--follow").out.splitlines()]
    assert shown == ["   | hello", "    50% half", "   validation:accuracy = 0.97", "== live"]


def test_a_run_read_before_its_timeline_takes_no_stage_back(cloud: StubCloud, dropforge: Tool) -> None:
    began = {"at": "2031-05-01T10:00:09.000+00:00", "what": "training completed", "facts": {}}
    seen = [run("training", timeline=[began]), run("live", timeline=[began])]
    cloud.routes[f"/api/v1/runs/{RUN}"] = lambda _: (200, seen.pop(0) if len(seen) > 1 else seen[0])
    cloud.routes[f"/api/v1/runs/{RUN}/log"] = 200, {"lines": [], "next": "a"}
    shown = [line.split("s  ", 1)[1] for line in dropforge("show", RUN, "--follow").out.splitlines()]
    assert shown == ["== gate", "== live"]


def test_a_passing_trouble_of_the_api_is_tried_again(cloud: StubCloud, dropforge: Tool) -> None:
    answers: list[tuple[int, Any]] = [(429, problem(429, "throttled", "slow down")), (200, {"runs": [], "next": None})]
    cloud.routes["/api/v1/runs"] = lambda _: answers.pop(0)
    assert dropforge("runs").code == 0


def test_a_cloud_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    with running(tmp_path) as cloud:
        pass
    ended = Tool(cloud)("runs")
    assert ended.code == 1
    assert "does not answer (connection refused): start it with `dropforge up`" in ended.err
    assert "Traceback" not in ended.err


def test_without_any_cloud_the_sentence_names_both(tmp_path: Path) -> None:
    ended = Tool(StubCloud(tmp_path / "none"))("runs")
    assert ended.code == 1
    said = ended.err.split("dropforge: ")[1]
    assert said.startswith(f"No local cloud is up at {tmp_path / 'none'}: `make up` or `dropforge up` starts one.")
    assert "No AWS region is chosen: set AWS_REGION or AWS_DEFAULT_REGION." in said


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_region_is_read_from_either_variable(tmp_path: Path, name: str) -> None:
    nobody = {name: "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true", "HOME": str(tmp_path)}
    ended = Tool(StubCloud(tmp_path / "none"), nobody)("runs")
    assert ended.code == 1
    assert "AWS cannot be asked about the stack dropforge-dev: Unable to locate credentials." in ended.err


def test_a_stage_that_is_not_there_is_a_usage_error(cloud: StubCloud, dropforge: Tool) -> None:
    del cloud
    ended = dropforge("runs", "--stage", "prod")
    assert (ended.code, "has no stage 'prod'; it has dev" in ended.err) == (2, True)


def test_wrong_usage_exits_2(dropforge: Tool) -> None:
    assert dropforge("wait").code == 2
    assert dropforge("nonsense").code == 2
    assert dropforge("drop", "digits", "/no/such/folder").code == 2


def test_a_run_or_model_that_the_api_does_not_know_is_a_usage_error(dropforge: Tool, tmp_path: Path) -> None:
    (tmp_path / "seven.png").write_bytes(b"png")
    for words in (("show", RUN), ("log", RUN), ("predict", "nobody", str(tmp_path / "seven.png"))):
        ended = dropforge(*words)
        assert (ended.code, "The API answered 404: There is nothing" in ended.err) == (2, True), ended


def test_ctrl_c_is_quiet_and_exits_130(cloud: StubCloud, dropforge: Tool) -> None:
    cloud.routes[f"/api/v1/runs/{RUN}"] = 200, run("training", candidate=None)
    with dropforge.start("wait", RUN) as process:
        until(lambda: bool(cloud.seen))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert len(err.splitlines()) <= 1


@pytest.mark.parametrize(
    "name",
    [
        "up",
        "down",
        "env",
        "exec",
        "push",
        "drop",
        "pipelines",
        "datasets",
        "runs",
        "show",
        "log",
        "metrics",
        "wait",
        "predict",
    ],
)
def test_every_command_shows_an_example_and_its_options(dropforge: Tool, name: str) -> None:
    ended = dropforge(name, "--help")
    assert ended.code == 0
    assert f"dropforge {name}" in ended.out.split("Example:")[1] or name == "env"
    assert all(option in ended.out for option in ("--cloud", "--home", "--stage", "--json"))


def test_the_exit_codes_stand_in_the_help(dropforge: Tool) -> None:
    said = dropforge("--help").out
    for words in ("0 ok", "2", "3 refused", "4 failed", "5 rejected", "6 timed out"):
        assert words in said


def test_progress_that_was_overtaken_before_anybody_looked_is_left_out(cloud: StubCloud, dropforge: Tool) -> None:
    said = [f"dropforge.progress=0.{number}0 epoch {number}" for number in range(1, 9)]
    lines = [{"at": None, "text": text} for text in [*said[:4], "a word", *said[4:]]]
    cloud.routes[f"/api/v1/runs/{RUN}"] = 200, run("live")
    cloud.routes[f"/api/v1/runs/{RUN}/log"] = lambda query: (
        200,
        {"lines": [] if query.get("next") else lines, "next": "a"},
    )
    shown = [line.split("s  ", 1)[1].strip() for line in dropforge("show", RUN, "--follow").out.splitlines()]
    assert shown == ["40% epoch 4", "| a word", "80% epoch 8", "== live"]
