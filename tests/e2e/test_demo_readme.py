"""README.md, typed line by line: what it tells a newcomer to do with a running cloud works as written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import Cloud
from tests.unit.docs import ROOT, blocks

pytestmark = pytest.mark.slow
README = ROOT / "README.md"


def test_the_readmes_commands_take_a_newcomer_from_a_folder_to_an_answer(cloud: Cloud, tmp_path: Path) -> None:
    commands = [
        command for block in blocks("sh", README) for command in block.commands if not command.startswith(left_out())
    ]
    program = next(block.text for block in blocks("python", README) if "predict" in block.text)
    (tmp_path / "ask.py").write_text(moved(program, tmp_path))
    script = "\n".join(
        ["set -e", *(moved(command, tmp_path) for command in commands), f"{sys.executable} {tmp_path}/ask.py"]
    )
    ended = subprocess.run(
        ["bash", "-c", script],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DROPFORGE_HOME": str(cloud.home)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.endswith("}\n")
    assert "{'label': '7', 'score': 0.9" in ended.stdout, ended.stdout
    assert '"live":true' in ended.stdout.replace(" ", "") or "curl " in left_out()


def left_out() -> tuple[str, ...]:
    """Name what is not typed here: make starts clouds, tests and installations of its own (.ci/run runs those)."""
    return ("make ",) if shutil.which("curl") else ("make ", "curl ")


def moved(text: str, folder: Path) -> str:
    """Point a command at this test's own folder and interpreter; everything else stays as README.md has it."""
    return (
        text.replace("/tmp/digits", str(folder / "digits"))  # noqa: S108 -- README's words
        .replace(".venv/bin/python", sys.executable)
        .replace(".venv/bin/dropforge", f"{sys.executable} -m dropforge.cli.main")
    )
