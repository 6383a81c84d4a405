"""`dropforge check`: what it sends in the place of files, and how it tells what would come of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest

from dropforge.cli import given
from dropforge.cli.drop import plan_drop
from dropforge.cli.push import plan_push
from tests.unit.clitool import Tool
from tests.unit.stubcloud import StubCloud, running

ROUTE = "/api/v1/checks"
TOML = '[train]\nsource_dir = "src"\n'


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[StubCloud]:
    with running(tmp_path / "home") as cloud:
        yield cloud


@pytest.fixture
def dropforge(cloud: StubCloud) -> Tool:
    return Tool(cloud)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "digits" / "src").mkdir(parents=True)
    (tmp_path / "digits" / "pipeline.toml").write_text(TOML)
    (tmp_path / "digits" / "src" / "train.py").write_text("import jobkit\n")
    return tmp_path / "digits"


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    for name, text in (("training/1.png", "pixels"), ("training/2.png", ""), ("evaluation/1.png", "more")):
        (tmp_path / "friday" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "friday" / name).write_text(text)
    (tmp_path / "friday" / "run.toml").write_text("[train]\n")
    return tmp_path / "friday"


def answer(**more: Any) -> dict[str, Any]:
    would = {"train": True, "why": "this content is new", "run": "0123456789ab", "stage": None, "job": "the-job"}
    return {
        "pipeline": "digits",
        "ok": True,
        "problems": [],
        "dataset": None,
        "would": would | {"training": [], "release": None} | more.pop("would", {}),
        "notes": [],
    } | more


def summed(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()


def test_the_folder_is_told_as_push_would_send_it(folder: Path) -> None:
    said = given.folder(plan_push(folder, None))
    assert (said["name"], said["toml"], said["count"]) == ("digits", TOML, len(said["files"]))
    assert ["pipeline.toml", len(TOML), summed(TOML)] in said["files"]
    assert ["src/train.py", 14, summed("import jobkit\n")] in said["files"]
    assert any(name.startswith("src/jobkit/") for name, *_ in said["files"])


def test_a_dataset_is_told_by_its_counts_and_its_files_the_doubtful_first(drop: Path) -> None:
    said = given.dataset(plan_drop("digits", drop, None))
    assert said == {
        "name": "friday",
        "files": [
            ["training/2.png", 0, summed("")],
            ["run.toml", 8, summed("[train]\n")],
            ["evaluation/1.png", 4, summed("more")],
            ["training/1.png", 6, summed("pixels")],
        ],
        "channels": {"evaluation": [1, 4], "training": [2, 6]},
        "single": False,
        "overrides": "[train]\n",
    }


def test_a_single_file_is_a_whole_dataset(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("1,2")
    said = given.dataset(plan_drop("digits", tmp_path / "rows.csv", None))
    assert (said["name"], said["files"]) == ("rows", [["rows.csv", 3, summed("1,2")]])
    assert (said["channels"], said["single"], said["overrides"]) == ({"training": [1, 3]}, True, None)


def test_what_does_not_fit_is_counted_and_no_sums_are_made(drop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given, "FILES", 2)
    said = given.dataset(plan_drop("digits", drop, None))
    assert said["files"] == [["training/2.png", 0], ["run.toml", 8]]
    assert said["channels"] == {"evaluation": [1, 4], "training": [2, 6]}


def test_names_that_do_not_fit_into_a_request_are_left_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given, "NAMES", 70)
    said = given.folder(plan_push(folder, None))
    assert ([name for name, *_ in said["files"]], said["count"] > 2) == (["pipeline.toml"], True)


def test_what_would_be_accepted_is_told_and_nothing_uploaded(
    cloud: StubCloud, dropforge: Tool, folder: Path, drop: Path
) -> None:
    channels = [{"name": "training", "objects": 2, "bytes": 6}]
    dataset = {"name": "friday", "ok": True, "reason": None, "todo": None, "channels": channels}
    edits = [{"key": "train.hyperparameters.epochs", "accepted": None, "new": 3}]
    release = {
        "live": {"run": "fedcba987654", "model_version": 3},
        "rolls_out": True,
        "what": "the live model would be rehearsed and rolled out anew",
        "changes": [{"key": "deploy.rehearse", "live": True, "new": False}],
    }
    said = answer(dataset=dataset, would={"training": edits, "release": release}, notes=["2 of 9 were looked at."])
    cloud.routes[ROUTE] = 200, said
    ended = dropforge("check", str(folder), str(drop))
    assert (ended.code, cloud.put) == (0, []), ended.err
    assert ended.out.splitlines() == [
        "The pipeline digits would be accepted.",
        "The dataset friday would be sealed: training 2 files, 6 B.",
        "It would be trained: this content is new. Run 0123456789ab (the-job)",
        "  train.hyperparameters.epochs: not set → 3",
        "Live is version 3 of run fedcba987654: the live model would be rehearsed and rolled out anew.",
        "  deploy.rehearse: true → false",
        "2 of 9 were looked at.",
        "Nothing was uploaded.",
    ]
    ((route, sent),) = cloud.posted
    assert (route, sent["name"], sent["dataset"]["name"]) == (ROUTE, "digits", "friday")
    assert json.loads(dropforge("check", str(folder), str(drop), "--json").out) == said


def test_what_would_be_refused_exits_3_with_line_and_key(cloud: StubCloud, dropforge: Tool, folder: Path) -> None:
    problems = [{"line": 4, "key": "train.instance_type", "message": "must be an instance type"}]
    said = answer(ok=False, problems=problems, would={"train": False})
    cloud.routes[ROUTE] = 200, said
    ended = dropforge("check", str(folder), "--name", "cats")
    assert ended.code == 3
    assert ended.out.splitlines() == ["pipeline.toml:4 train.instance_type: must be an instance type"]
    assert "It would be refused: correct what is named above. Nothing was uploaded." in ended.err
    assert cloud.posted[0][1]["name"] == "cats"
    as_json = dropforge("check", str(folder), "--json")
    assert (as_json.code, json.loads(as_json.out)) == (3, said)


def test_a_dataset_that_would_be_refused_exits_3_with_what_to_do(
    cloud: StubCloud, dropforge: Tool, folder: Path, drop: Path
) -> None:
    dataset = {"name": "friday", "ok": False, "reason": "empty file: x", "todo": "Delete it.", "channels": []}
    cloud.routes[ROUTE] = 200, answer(ok=False, dataset=dataset)
    ended = dropforge("check", str(folder), str(drop))
    assert (ended.code, ended.out.splitlines()[-1]) == (
        3,
        "The dataset friday would be refused: empty file: x Delete it.",
    )


def test_a_folder_without_a_pipeline_file_is_called_wrongly(cloud: StubCloud, dropforge: Tool, drop: Path) -> None:
    ended = dropforge("check", str(drop))
    assert (ended.code, "holds no pipeline.toml" in ended.err, cloud.posted) == (2, True, [])
