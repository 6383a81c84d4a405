"""Datasets that cannot be used are refused before anything is spent; whatever can be used really trains."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.conftest import Cloud, wait_until
from tests.e2e.pipelines import (
    PATIENCE,
    Registered,
    drop,
    fresh,
    jobs_of,
    knobs,
    log_of,
    push,
    put_all,
    until_dataset,
    until_sealed,
    until_stage,
)

KEY_LIMIT = 1024
FORBIDDEN_TYPE = b'[train]\ninstance_type = "ml.p4d.24xlarge"\n'
FORBIDDEN_KEY = b"[trigger]\nquiet_seconds = 5\n"

REFUSED: dict[str, tuple[dict[str, bytes], tuple[str, ...]]] = {
    "no-training": ({"evaluation/a.csv": b"1"}, ('requires the channel "training"', '"evaluation"')),
    "nothing-but-ready": ({"_READY": b""}, ("The dataset is empty.",)),
    "file-and-folder": (
        {"training/a": b"1", "training/a/b": b"1", "training/c": b"1"},
        ("both a file and a folder", "training/a"),
    ),
    "zero-bytes": ({"training/full.csv": b"1", "training/hollow.csv": b""}, ("empty file", "training/hollow.csv")),
    "in-no-channel": ({"training/a.csv": b"1", "stray.csv": b"1"}, ("in no channel", "stray.csv")),
    "forbidden-type": (knobs() | {"run.toml": FORBIDDEN_TYPE}, ("train.instance_type", "ml.p4d.24xlarge")),
    "forbidden-key": (
        knobs() | {"run.toml": FORBIDDEN_KEY},
        ("trigger.quiet_seconds", "cannot be overridden on this stage", "train.hyperparameters.*"),
    ),
    "unknown-key": (knobs() | {"run.toml": b"[train]\nepochs = 3\n"}, ("train.epochs", "unknown key")),
    "no-toml": (knobs() | {"run.toml": b"epochs: 3"}, ("run.toml",)),
    "promised-what": (knobs() | {"_READY": b"all of them"}, ("_READY cannot be read",)),
}
"""Each case: the files, and what its refusal says."""


@pytest.fixture(scope="module")
def yard(cloud: Cloud) -> str:
    """A pipeline that only trains and registers, with every refused dataset dropped at it at once."""
    tiny = Registered(fresh("yard"))
    push(cloud, tiny)
    files = {f"{case}/{path}": body for case, (files, _) in REFUSED.items() for path, body in files.items()}
    put_all(cloud, f"datasets/{tiny.name}/", files | {"list.manifest": b"[]", "hollow.zip": b""})
    put_all(cloud, f"datasets/{tiny.name}/mended/training/", {"full.csv": b"1", "hollow.csv": b""})
    return tiny.name


def until_told(cloud: Cloud, dataset: str, state: str, *, at: str = "state") -> dict[str, Any]:
    """Wait until `status/<pipeline>/<dataset>.json` says so."""

    def told() -> dict[str, Any] | None:
        status = cloud.status_of(dataset)
        return dict(status) if status and status[at] == state else None

    return wait_until(told, PATIENCE)


def trained(cloud: Cloud, pipeline: str, dataset: str) -> dict[str, Any]:
    """Wait until a dataset has become a registered model; gives the run."""
    return until_stage(cloud, until_sealed(cloud, pipeline, dataset), "registered")


def seen_by_the_script(cloud: Cloud, run: str) -> list[str]:
    """Name the files that the training script found, by its own log."""
    return sorted(line.removeprefix("seen ") for line in log_of(cloud, run) if line.startswith("seen "))


@pytest.mark.parametrize("case", REFUSED)
def test_a_dataset_that_cannot_be_used_is_refused_by_name_and_told_what_to_do(
    cloud: Cloud, yard: str, case: str
) -> None:
    status = until_told(cloud, f"{yard}/{case}", "refused")
    for words in REFUSED[case][1]:
        assert words in status["reason"]
    assert status["todo"]
    assert status["run"] is None
    assert not [job for job in jobs_of(cloud, yard) if case in job]


def test_a_manifest_is_not_supported_yet(cloud: Cloud, yard: str) -> None:
    status = until_told(cloud, f"{yard}/list", "refused")
    assert "not supported yet: datasets that are a .manifest" in status["reason"]


def test_a_single_object_without_content_is_refused(cloud: Cloud, yard: str) -> None:
    status = until_told(cloud, f"{yard}/hollow", "refused")
    assert "empty file" in status["reason"]


def test_a_refused_dataset_becomes_a_run_once_what_was_wrong_is_put_right(cloud: Cloud, yard: str) -> None:
    until_told(cloud, f"{yard}/mended", "refused")
    cloud.put(f"datasets/{yard}/mended/training/hollow.csv", b"not any more")
    run = trained(cloud, yard, "mended")
    assert seen_by_the_script(cloud, run["run"]) == ["training/full.csv", "training/hollow.csv"]


def test_a_dataset_for_an_unknown_pipeline_waits_says_so_and_starts_when_the_pipeline_arrives(cloud: Cloud) -> None:
    tiny = Registered(fresh("early"))
    drop(cloud, tiny.name, "bird", knobs(label="early"))
    why = f'There is no pipeline named "{tiny.name}" yet'
    wait_until(lambda: why in until_told(cloud, f"{tiny.name}/bird", "collecting")["reason"], PATIENCE)
    push(cloud, tiny)
    assert trained(cloud, tiny.name, "bird")["labels"] == ["early", "other"]


def test_keys_with_spaces_unicode_plus_percent_and_1024_bytes_reach_the_script_under_their_very_names(
    cloud: Cloud, yard: str
) -> None:
    dataset = "ünlike any+other 100%"
    room = KEY_LIMIT - len(f"datasets/{yard}/{dataset}/training/".encode())
    longest = ("ö" * 99 + "/") * 4 + "x" * (room - 4 * 199)
    names = {
        "a b  c.csv",
        "plus+plus%2B%20percent%.csv",
        "größe/猫/🐈.csv",
        "e\u0301 and \u00e9.csv",
        "quote'\"&<>;#?=@:$,[]{}|^~`!().csv",
        " leading and trailing ",
        "-rf",
        "CON",
        "back\\slash.csv",
        longest,
    }
    files = {f"training/{name}": b"1" for name in names}
    assert max(len(f"datasets/{yard}/{dataset}/{path}".encode()) for path in files) == KEY_LIMIT
    drop(cloud, yard, dataset, files)
    status = until_told(cloud, f"{yard}/{dataset}", "sealed")
    assert status["channels"]["training"]["objects"] == len(files)
    run = until_stage(cloud, status["run"], "registered")
    assert run["dataset"] == f"{yard}/{dataset}"
    assert seen_by_the_script(cloud, run["run"]) == sorted(files)


def test_an_allowed_override_reaches_the_script(cloud: Cloud, yard: str) -> None:
    files = {"training/a.csv": b"1", "run.toml": b'[train.hyperparameters]\nlabel = "overridden"\nmetric = 0.75\n'}
    drop(cloud, yard, "override", files)
    run = trained(cloud, yard, "override")
    assert run["labels"] == ["other", "overridden"]
    assert run["metrics"] == {"validation:accuracy": 0.75}
    assert seen_by_the_script(cloud, run["run"]) == ["training/a.csv"]


def test_files_after_sealing_are_never_half_in(cloud: Cloud, yard: str) -> None:
    files = knobs(label="late", seconds=1)
    drop(cloud, yard, "late", files)
    first = until_sealed(cloud, yard, "late")
    cloud.put(f"datasets/{yard}/late/training/zz-late.csv", b"3,4\n")

    def second_run() -> str | None:
        seen = cloud.get(f"/v1/datasets/{yard}/late")
        return str(seen["run"]) if seen["state"] == "sealed" and seen["run"] != first else None

    second = wait_until(second_run, PATIENCE)
    until_stage(cloud, second, "registered")
    assert seen_by_the_script(cloud, second) == sorted([*files, "training/zz-late.csv"])
    before = wait_until(lambda: _ended(cloud, first), PATIENCE)
    assert before["channels"][0]["objects"] == len(files)
    assert set(seen_by_the_script(cloud, first)) <= set(files)


def _ended(cloud: Cloud, run: str) -> Any:
    seen = cloud.get(f"/v1/runs/{run}")
    return seen if seen["ended_at"] else None


def test_a_sealed_file_that_is_overwritten_fails_the_run_by_its_name(cloud: Cloud) -> None:
    tiny = Registered(fresh("patient"), quiet_seconds=900)
    push(cloud, tiny)
    drop(cloud, tiny.name, "one", knobs(seconds=4))
    run = until_sealed(cloud, tiny.name, "one")
    cloud.put(f"datasets/{tiny.name}/one/training/data.csv", b"other numbers\n")
    seen = until_stage(cloud, run, "failed")
    assert f"datasets/{tiny.name}/one/training/data.csv" in seen["reason"]
    assert seen["package"] is None


def test_the_same_content_under_the_same_or_another_name_is_one_paid_training(cloud: Cloud) -> None:
    tiny = Registered(fresh("twice"))
    push(cloud, tiny)
    files = knobs(label="twice") | {"evaluation/b.csv": b"2"}
    drop(cloud, tiny.name, "one", files)
    drop(cloud, tiny.name, "two", files)
    runs = {until_sealed(cloud, tiny.name, name) for name in ("one", "two")}
    assert len(runs) == 1
    run = until_stage(cloud, runs.pop(), "registered")["run"]

    drop(cloud, tiny.name, "one", files)
    drop(cloud, tiny.name, "three", dict(reversed(files.items())))
    assert until_sealed(cloud, tiny.name, "three") == run
    assert until_dataset(cloud, tiny.name, "one")["run"] == run
    for name in ("one", "two", "three"):
        until_told(cloud, f"{tiny.name}/{name}", "registered", at="stage")
    assert len(jobs_of(cloud, tiny.name)) == 1


def test_one_object_is_a_whole_dataset_and_reaches_the_script_verbatim(cloud: Cloud, yard: str) -> None:
    body = json.dumps({"label": "single"}).encode()
    cloud.put(f"datasets/{yard}/alone.json", body)
    run = trained(cloud, yard, "alone")
    assert run["channels"] == [{"name": "training", "objects": 1, "bytes": len(body)}]
    assert seen_by_the_script(cloud, run["run"]) == ["training/alone.json"]
