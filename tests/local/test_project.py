"""Which project a cloud runs: the installed package has none, and says so."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from dropforge.local import launch
from dropforge.local.project import NoProjectError, find
from tests.local.projects import make_project
from tests.unit.docs import ROOT


def test_the_project_is_the_one_that_is_named_else_this_folder_else_the_checkout_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, here, empty = make_project(tmp_path / "named"), make_project(tmp_path / "here"), tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(here)
    assert (find(named), find(None)) == (named, here)
    monkeypatch.chdir(empty)
    assert find(None, beside=named) == named
    assert find(None) == ROOT


@pytest.mark.parametrize("there", [[], ["app.py"], [".chalice/config.json"]])
def test_a_folder_that_is_no_checkout_is_told_in_a_sentence_and_leaves_no_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: list[str]
) -> None:
    for name in there:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NoProjectError, match="no checkout of Dropforge"):
        find(None, beside=tmp_path)
    with pytest.raises(launch.LaunchError, match="start it there, or name it with --project"):
        launch.start(tmp_path / "home", project=tmp_path)
    assert not (tmp_path / "home").exists()


def test_whoever_installs_the_local_cloud_has_what_the_app_imports() -> None:
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["local"]
    lines = (ROOT / "requirements" / "lambda.in").read_text().splitlines()
    assert {line for line in lines if line and not line.startswith("#")} <= set(extra)
