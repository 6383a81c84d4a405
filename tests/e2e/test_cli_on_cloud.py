"""The command line as a user has it: a cloud of one's own, from `up` to `down`, and what it says on the way."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dropforge.local import launch
from tests.e2e.conftest import SPEED, Cloud
from tests.e2e.pipelines import PIXEL, Tiny, knobs
from tests.e2e.tool import Tool
from tests.typed import Ended

NAME = "shop"
BUCKETS = "import boto3; print([each['Name'] for each in boto3.client('s3').list_buckets()['Buckets']])"
MOMENT = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


@dataclass(frozen=True)
class Shop:
    """A cloud that `dropforge up` started, a pipeline that was pushed, and a folder that was dropped and went live."""

    tool: Tool
    folder: Path
    up: Ended
    push: Ended
    drop: Ended
    wait: Ended
    run: str

    @property
    def header(self) -> str:
        return f"local cloud at {self.tool.home} · stage dev"

    def card(self) -> dict[str, object]:
        return dict(json.loads((self.tool.home / "cloud.json").read_text()))


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for path, body in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(body)
    return folder


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    tool = Tool(folder / "home")
    tiny = Tiny(NAME, at_least=0.5, expect="cat")
    write(folder / "pipeline", tiny.files)
    write(folder / "monday", knobs(label="cat"))
    up = tool("up", "--speed", str(SPEED))
    try:
        push = tool("push", folder / "pipeline", "--name", NAME)
        drop = tool("drop", NAME, folder / "monday", "--json")
        wait = tool("wait", f"{NAME}/monday", "--for", "live", "--timeout", "120")
        yield Shop(tool, folder, up, push, drop, wait, str(json.loads(drop.out)["run"]))
    finally:
        launch.stop(tool.home)


def dropped(shop: Shop, name: str, files: dict[str, bytes]) -> Ended:
    return shop.tool("drop", NAME, write(shop.folder / name, files))


def test_up_prints_where_everything_is(shop: Shop) -> None:
    assert shop.up.code == 0, shop.up
    assert shop.up.err.strip() == f"local cloud at {shop.tool.home} · is up"
    assert re.search(r"^AWS endpoint\thttp://127\.0\.0\.1:\d+$", shop.up.out, re.MULTILINE)
    assert re.search(r"^dev: HTTP API\thttp://127\.0\.0\.1:\d+/api$", shop.up.out, re.MULTILINE)
    assert re.search(r"^dev: API key\t\S+$", shop.up.out, re.MULTILINE)
    again = shop.tool("up", "--json")
    assert again.err.strip() == f"local cloud at {shop.tool.home} · was up already"
    assert json.loads(again.out)["pid"] == shop.card()["pid"]


def test_push_tells_the_version_and_drop_the_run(shop: Shop) -> None:
    assert (shop.push.code, shop.push.err.strip()) == (0, shop.header)
    assert f"push {NAME}: 4 objects sent" in shop.push.out
    assert re.search(rf"^The pipeline {NAME} is accepted, version [0-9a-f]{{12}}\.$", shop.push.out, re.MULTILINE)
    assert (shop.drop.code, shop.drop.err.strip()) == (0, shop.header)
    said = json.loads(shop.drop.out)
    assert (said["dataset"], said["state"], said["objects"]) == (f"{NAME}/monday", "sealed", 3)
    assert re.fullmatch(r"[0-9a-f]{12}", said["run"])


def test_wait_shows_the_stages_as_plain_lines_until_the_model_is_live(shop: Shop) -> None:
    assert (shop.wait.code, shop.wait.err.strip()) == (0, shop.header)
    assert shop.wait.out.splitlines()[-1].endswith("== live")
    assert all(re.fullmatch(r" *[0-9.]+s  == .+", line) for line in shop.wait.out.splitlines())


def test_datasets_and_runs_are_tab_separated_in_a_pipe_and_json_where_asked(shop: Shop) -> None:
    runs, header = shop.tool("runs", "--pipeline", NAME, "--state", "registered"), shop.header
    assert (runs.code, runs.err.strip()) == (0, header)
    columns, *rows = (line.split("\t") for line in runs.out.splitlines())
    assert columns == ["run", "dataset", "stage", "metrics", "sealed", "why"]
    mine = next(row for row in rows if row[0] == shop.run)
    assert mine[1:4] == [f"{NAME}/monday", "live", "validation:accuracy = 0.9"]
    assert re.fullmatch(MOMENT, mine[4])
    seen = {each["run"]: each["stage"] for each in json.loads(shop.tool("runs", "--json").out)}
    assert seen[shop.run] == "live"
    datasets = shop.tool("datasets", "--state", "sealed")
    assert (datasets.code, datasets.err.strip()) == (0, header)
    row = next(line.split("\t") for line in datasets.out.splitlines() if f"{NAME}/monday" in line)
    assert row[1:4] == ["sealed", shop.run, "2"]
    assert f"{NAME}/monday" in {each["dataset"] for each in json.loads(shop.tool("datasets", "--json").out)}


def test_on_a_terminal_tables_are_aligned_and_a_followed_run_is_drawn(shop: Shop) -> None:
    code, table = shop.tool.on_a_terminal("runs", "--pipeline", NAME)
    assert code == 0
    assert "\t" not in table
    assert re.search(rf"{shop.run}\S* +{NAME}/monday +", table)
    code, drawn = shop.tool.on_a_terminal("show", shop.run, "--follow")
    assert code == 0
    assert "✓ " in drawn
    assert "\x1b[" in drawn
    assert "validation:accuracy" in drawn or "accuracy=0.9" in drawn


def test_show_and_log_tell_a_run_under_each_of_its_names(shop: Shop) -> None:
    for name in (shop.run, shop.run[:8], f"{NAME}/monday"):
        shown = shop.tool("show", name)
        assert (shown.code, shown.err.strip()) == (0, shop.header)
        assert f"run       {shop.run}" in shown.out
        assert "stage     live" in shown.out
        assert re.search(r"^ +[0-9.]+s  release: live", shown.out, re.MULTILINE)
    assert json.loads(shop.tool("show", shop.run, "--json").out)["stage"] == "live"
    log = shop.tool("log", shop.run)
    assert log.code == 0
    assert "seen training/data.csv" in log.out.splitlines()
    lines = [json.loads(line)["text"] for line in shop.tool("log", shop.run, "--json").out.splitlines()]
    assert lines == log.out.splitlines()


def test_predict_prints_a_row_for_each_file(shop: Shop) -> None:
    files = [write(shop.folder, {f"{name}.png": PIXEL}) / f"{name}.png" for name in ("a", "b")]
    said = shop.tool("predict", NAME, *files)
    assert (said.code, said.err.strip()) == (0, shop.header)
    rows = [line.split("\t") for line in said.out.splitlines()]
    assert rows[0] == ["file", "label", "score", "next best", "model", "ms"]
    assert [row[:4] for row in rows[1:]] == [[str(file), "cat", "0.900", "other 0.10"] for file in files]
    answers = json.loads(shop.tool("predict", NAME, *files, "--json").out)
    assert [each["file"] for each in answers] == [str(file) for file in files]
    assert answers[0]["model"]["name"] == NAME


def test_a_single_file_is_a_dataset(shop: Shop) -> None:
    path = shop.folder / "alone.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "1,2")
    said = shop.tool("drop", NAME, path, "--json")
    assert said.code == 0, said
    seen = json.loads(said.out)
    assert (seen["dataset"], seen["state"], seen["objects"]) == (f"{NAME}/alone", "sealed", 1)


def test_content_that_is_a_run_already_is_told_so_under_any_name(shop: Shop) -> None:
    again = dropped(shop, "monday-again", knobs(label="cat"))
    assert (again.code, again.err.strip()) == (0, shop.header), again
    assert f"This content is run {shop.run} already: live; nothing new is trained." in again.out


def test_what_cannot_be_predicted_says_what_to_do(shop: Shop) -> None:
    file = write(shop.folder, {"p.png": PIXEL, "p.md": b"#"}) / "p.png"
    nobody = shop.tool("predict", "nope", file)
    assert (nobody.code, "`dropforge runs --state live` lists" in nobody.err) == (2, True), nobody
    assert shop.tool("predict", NAME, file.with_suffix(".md")).code == 2
    call = shop.tool.command("predict", NAME, file)
    environment = shop.tool.environment | {"DROPFORGE_API_KEY": "another"}
    other = subprocess.run(call, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert "DROPFORGE_API_KEY holds another key than this cloud's: unset it." in other.stderr, other


def test_env_and_exec_point_any_aws_client_at_this_cloud(shop: Shop) -> None:
    ran = shop.tool("exec", "--", sys.executable, "-c", BUCKETS)
    assert ran.code == 0, ran
    bucket = json.loads(shop.tool("env", "--json").out)["DROPFORGE_BUCKET"]
    assert bucket in ran.out
    shell = 'eval "$("$0" -m dropforge.cli.main env 2>/dev/null)" && exec "$0" -c "$1"'
    evaluated = subprocess.run(
        ["/bin/sh", "-c", shell, sys.executable, BUCKETS],
        env=shop.tool.environment | {"AWS_PROFILE": "somebody-else"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert bucket in evaluated.stdout, evaluated
    assert shop.tool("exec", "--", sys.executable, "-c", "raise SystemExit(7)").code == 7


@pytest.mark.parametrize(
    "words",
    [
        ("show",),
        ("show", "not hex"),
        ("show", "ffffffffffff"),
        ("log", "0" * 12),
        ("show", f"{NAME}/nobody"),
        ("runs", "--limit", "0"),
        ("runs", "--stage", "nowhere"),
        ("wait", "latest", "--for", "christmas"),
        ("push", "/nowhere"),
        ("drop", NAME, "/nowhere"),
        ("exec", "--", "/no/such/program"),
    ],
)
def test_wrong_usage_exits_2_with_a_sentence(shop: Shop, words: tuple[str, ...]) -> None:
    ended = shop.tool(*words)
    assert ended.code == 2, ended
    assert "Traceback" not in ended.err
    assert ended.out == ""


def test_what_is_refused_exits_3_and_says_what_to_do(shop: Shop) -> None:
    bad = Tiny("bad").toml.replace("[train]", '[train]\nepoch = "x"')
    files = Tiny("bad").files | {"pipeline.toml": bad.encode()}
    pushed = shop.tool("push", write(shop.folder / "bad", files))
    assert pushed.code == 3, pushed
    line = next(number for number, text in enumerate(bad.splitlines(), 1) if "epoch =" in text)
    assert f"pipeline.toml:{line} train.epoch: unknown key" in pushed.out
    assert "The pipeline bad was refused" in pushed.err

    ended = dropped(shop, "hollow", {"training/a.csv": b"1", "training/hollow.csv": b""})
    assert ended.code == 3, ended
    assert "training/hollow.csv" in ended.err
    waited = shop.tool("wait", f"{NAME}/hollow")
    assert waited.code == 3
    assert waited.err.splitlines()[0] == shop.header
    assert "Upload them again with their content" in waited.err
    assert shop.tool("show", f"{NAME}/hollow").out.startswith("dataset   ")


def test_what_fails_exits_4_with_the_script_s_own_reason(shop: Shop) -> None:
    assert dropped(shop, "broken", knobs(train="writes-failure")).code == 0
    for words in (("wait", f"{NAME}/broken"), ("show", f"{NAME}/broken", "--follow")):
        ended = shop.tool(*words)
        assert ended.code == 4, ended
        assert "no such column: width" in ended.err
    shown = shop.tool("show", f"{NAME}/broken")
    assert shown.code == 0
    assert "no such column: width" in shown.out


def test_what_its_gate_rejects_exits_5(shop: Shop) -> None:
    assert dropped(shop, "poor", knobs(metric=0.1)).code == 0
    ended = shop.tool("wait", f"{NAME}/poor")
    assert ended.code == 5, ended
    assert "rejected by its gate" in ended.err
    assert "0.1" in ended.err


def test_what_takes_too_long_exits_6_and_goes_on_without_us(shop: Shop) -> None:
    assert dropped(shop, "slow", knobs(seconds=5)).code == 0
    ended = shop.tool("wait", f"{NAME}/slow", "--timeout", "0.2")
    assert ended.code == 6, ended
    assert "wait longer with --timeout" in ended.err
    assert shop.tool("wait", f"{NAME}/slow", "--for", "registered", "--timeout", "120").code == 0


def test_a_cloud_that_was_brought_down_comes_up_as_it_was(shop: Shop) -> None:
    live = json.loads(shop.tool("show", f"{NAME}/monday", "--json").out)
    down = shop.tool("down")
    assert (down.code, down.err.strip()) == (0, f"local cloud at {shop.tool.home} · stopped")
    assert not (shop.tool.home / "cloud.json").exists()
    gone = shop.tool("runs", "--cloud", "local")
    assert gone.code == 1
    assert "start it with `dropforge up`" in gone.err
    assert shop.tool("down").err.strip() == f"local cloud at {shop.tool.home} · was not up"

    assert shop.tool("up", "--speed", str(SPEED)).code == 0
    assert json.loads(shop.tool("show", f"{NAME}/monday", "--json").out)["run"] == live["run"]
    write(shop.folder, {"c.png": PIXEL})
    deadline = time.monotonic() + 90
    while (said := shop.tool("predict", NAME, shop.folder / "c.png")).code:
        assert time.monotonic() < deadline, said
    assert "\tcat\t" in said.out
    assert Cloud(dict(shop.card())).get("/v1/runs")["runs"]
