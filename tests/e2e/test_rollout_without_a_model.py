"""Training that ends badly: the reason is everywhere one would look, and the live model never hears of it."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import programs
from tests.e2e.conftest import ROOT, Cloud, wait_until
from tests.e2e.pipelines import (
    PIXEL,
    Tiny,
    drop,
    fresh,
    go_live,
    jobs_of,
    knobs,
    label_of,
    log_of,
    push,
    release_of,
    until_sealed,
    until_stage,
)

_LEFT_OVER = "import time; time.sleep(3600)"
"""What the training script leaves running when it is told to leave children."""
ENDINGS = {
    "exits": "exit code: 1",
    "writes-failure": programs.FAILURE,
    "hangs": "MaxRuntimeExceeded",
    "is-killed": "exit code: 137",
    "leaves-no-model": "left no model",
}


@dataclass(frozen=True)
class Ward:
    """A pipeline with a live model, and runs of it that ended as their names say."""

    pipeline: str
    live: str
    config: str
    runs: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def ward(cloud: Cloud) -> Ward:
    """Let everything go wrong side by side."""
    tiny = Tiny(fresh("ward"))
    push(cloud, tiny)
    live = str(go_live(cloud, tiny.name, "good", knobs(label="good"))["run"])
    config = release_of(cloud, tiny.name)["live"]["config"]
    for train in ENDINGS:
        limit = {"run.toml": b"[train]\nmax_runtime_seconds = 3\n"} if train == "hangs" else {}
        drop(cloud, tiny.name, train, knobs(train=train, label="bad") | limit)

    def ended(train: str) -> dict[str, Any]:
        return until_stage(cloud, until_sealed(cloud, tiny.name, train), "failed")

    with ThreadPoolExecutor(len(ENDINGS)) as watchers:
        runs = dict(zip(ENDINGS, watchers.map(ended, ENDINGS), strict=True))
    return Ward(tiny.name, live, config, runs)


def command(cloud: Cloud, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as its user does, piped."""
    whole = [sys.executable, "-m", "dropforge.cli.main", *words, "--home", str(cloud.home), "--stage", cloud.stage]
    return subprocess.run(whole, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("train", ENDINGS)
def test_the_reason_is_told_over_http_by_the_command_line_and_in_the_bucket(
    cloud: Cloud, ward: Ward, train: str
) -> None:
    run = ward.runs[train]
    assert ENDINGS[train] in run["reason"]
    assert run["todo"]
    assert [line["facts"]["reason"] for line in run["timeline"] if line["what"] == "failed"] == [run["reason"]]

    shown = command(cloud, "show", run["run"])
    assert shown.returncode == 0, shown.stderr
    assert f"reason    {run['reason']}" in shown.stdout
    assert json.loads(command(cloud, "show", run["run"], "--json").stdout)["reason"] == run["reason"]
    followed = command(cloud, "wait", run["run"], "--for", "live")
    assert followed.returncode == 4
    assert run["reason"].rstrip(".") in followed.stderr

    status = wait_until(lambda: _in_stage(cloud, f"{ward.pipeline}/{train}", "failed"))
    assert (status["run"], status["reason"], status["todo"]) == (run["run"], run["reason"], run["todo"])


def _in_stage(cloud: Cloud, dataset: str, stage: str) -> Any:
    status = cloud.status_of(dataset)
    return status if status and status["stage"] == stage else None


@pytest.mark.parametrize("train", ENDINGS)
def test_the_log_of_a_run_that_failed_can_be_read(cloud: Cloud, ward: Ward, train: str) -> None:
    assert "seen training/data.csv" in wait_until(lambda: log_of(cloud, ward.runs[train]["run"]))


def test_the_live_model_hears_nothing_of_it(cloud: Cloud, ward: Ward) -> None:
    assert label_of(cloud.predict(ward.pipeline, PIXEL)) == "good"
    release = release_of(cloud, ward.pipeline)
    assert (release["stage"], release["generation"], release["failed"]) == ("idle", 1, {})
    assert (release["live"]["run"], release["live"]["config"]) == (ward.live, ward.config)
    assert len(jobs_of(cloud, ward.pipeline)) == 1 + len(ENDINGS)


def test_the_same_files_again_are_the_same_failed_run_and_train_nothing(cloud: Cloud, ward: Ward) -> None:
    drop(cloud, ward.pipeline, "once-more", knobs(train="exits", label="bad"))
    assert until_sealed(cloud, ward.pipeline, "once-more") == ward.runs["exits"]["run"]
    assert len(jobs_of(cloud, ward.pipeline)) == 1 + len(ENDINGS)


def test_children_that_training_leaves_behind_end_with_it(cloud: Cloud) -> None:
    tiny = Tiny(fresh("orphans"))
    push(cloud, tiny)
    run = go_live(cloud, tiny.name, "one", knobs(train="leaves-children", label="a"))
    assert run["candidate"]["status"] == "Completed"
    assert _running_below(int(cloud.card["pid"]), _LEFT_OVER) == []
    assert label_of(cloud.predict(tiny.name, PIXEL)) == "a"


def _running_below(root: int, words: str) -> list[int]:
    """Find the processes below `root` whose command line contains these words."""
    found, newest = list[int](), [root]
    while newest:
        files = [file for pid in newest for file in Path(f"/proc/{pid}/task").glob("*/children")]
        newest = [int(child) for file in files for child in _read(file).split()]
        found += [pid for pid in newest if words in _read(Path(f"/proc/{pid}/cmdline"))]
    return found


def _read(file: Path) -> str:
    """Read a file of /proc; nothing where its process has gone."""
    try:
        return file.read_text()
    except OSError:
        return ""
