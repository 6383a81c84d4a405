"""A command before it is one: its libraries are being loaded, or are not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from tests.unit.docs import ROOT

COMMANDS = ("dropforge.cli.main", "examples.digits.demo")
_INTERRUPTED = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nraise SystemExit('it went on')\n"
_EXTRAS = ("ministack", "uvicorn", "h11", "chalice", "samtranslator", "aws_lambda_powertools")


def python(*words: str, path: Path, alone: bool = False, here: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python with a folder of packages before all others; `alone`: with no other but the standard library."""
    command = [sys.executable, *(["-S"] if alone else []), *words]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{path}{os.pathsep}{ROOT}"}
    return subprocess.run(
        command, cwd=here or path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("module", COMMANDS)
def test_an_interrupt_while_libraries_are_loaded_ends_it_without_a_word(tmp_path: Path, module: str) -> None:
    (tmp_path / "rich.py").write_text(_INTERRUPTED)
    (tmp_path / "typer.py").write_text(_INTERRUPTED)
    ended = python("-m", module, "--help", path=tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


@pytest.mark.parametrize("module", COMMANDS)
def test_without_any_of_its_dependencies_it_says_in_a_sentence_how_to_get_them(tmp_path: Path, module: str) -> None:
    ended = python("-m", module, path=tmp_path, alone=True)
    assert (ended.returncode, ended.stdout, len(ended.stderr.splitlines())) == (2, "", 1), ended
    assert "is not installed here: `pip install '/path/to/clone[local]'`" in ended.stderr
    assert "dropforge_command" in ended.stderr


@pytest.mark.parametrize("name", ["up", "sagemaker"])
def test_without_the_extra_the_local_cloud_says_how_to_get_it_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    packages, here = tmp_path / "packages", tmp_path / "here"
    packages.mkdir()
    here.mkdir()
    for package in Path(typer.__file__).parents[1].iterdir():
        if not package.name.startswith(_EXTRAS):
            (packages / package.name).symlink_to(package)
    ended = python("-m", COMMANDS[0], name, path=packages, alone=True, here=here)
    assert (ended.returncode, ended.stdout, len(ended.stderr.splitlines())) == (2, "", 1), ended
    assert "ministack, uvicorn, h11" in ended.stderr
    assert "pip install '/path/to/clone[local]'" in ended.stderr
    assert list(here.iterdir()) == []
