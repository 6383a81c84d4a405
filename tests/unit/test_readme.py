"""What the documentation says can be typed, can be typed; tests/e2e/test_demo_readme.py runs what README.md says."""

from __future__ import annotations

import ast
import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import typer

from chalicelib.pipeline import parse
from dropforge.cli.errors import Exit
from dropforge.cli.main import app
from examples.digits import report
from tests.unit.docs import ROOT, blocks, pages

COMMANDS = sorted({command for block in blocks("sh") for command in block.commands})
RUN_BY_E2E = {command for block in blocks("sh", ROOT / "README.md") for command in block.commands}


def words_of(command: str) -> list[str]:
    words = shlex.split(command)
    return [words[0].removeprefix(".venv/bin/"), *words[1:]]


@pytest.fixture
def stand_ins(tmp_path: Path) -> dict[str, str]:
    """Make what the documentation's placeholders stand for: options that want a file to exist get one."""
    (tmp_path / "folder").mkdir()
    for name in ("FILE.png", "FILE.zip"):
        (tmp_path / name).write_bytes(b"x")
    return {"FOLDER": str(tmp_path / "folder")} | {name: str(tmp_path / name) for name in ("FILE.png", "FILE.zip")}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_in_the_documentation_can_be_typed(command: str, stand_ins: dict[str, str]) -> None:
    words = words_of(command)
    match words:
        case ["make", target]:
            subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True, timeout=30)
        case ["dropforge", name, *rest]:
            check_usage(name, [stand_in(word, stand_ins) for word in rest])
        case ["python", "-m", module, *_]:
            assert (ROOT / (module.replace(".", "/") + ".py")).is_file()
        case _:
            assert command in RUN_BY_E2E, "nothing checks this command"


def stand_in(word: str, stand_ins: dict[str, str]) -> str:
    """Use a file that exists in the place of one that the documentation makes first."""
    made = {"/tmp/digits/drop": "FOLDER", "/tmp/digits/held-out/7/0350.png": "FILE.png"}  # noqa: S108 -- README's words
    return stand_ins.get(made.get(word, word), word)


def check_usage(name: str, words: list[str]) -> None:
    """Let Typer read the words as it would, without running the command."""
    command, rest = typer.main.get_command(app), [name, *words]
    while isinstance(command, typer.core.TyperGroup):
        _, found, rest = command.resolve_command(command.make_context("dropforge", list(rest)), rest)
        assert found is not None
        command = found
    command.make_context(name, rest)


@pytest.mark.parametrize(
    "command",
    sorted({word for block in blocks("text") for word in block.commands if word.strip().startswith(".venv/")}),
)
def test_what_the_demo_advises_can_be_typed(command: str, stand_ins: dict[str, str]) -> None:
    name, *words = words_of(command.strip())[1:]
    check_usage(name, [stand_in(word, stand_ins) for word in words])


def test_the_readme_shows_the_advice_that_the_demo_gives() -> None:
    assert report.NEXT.strip() in (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("block", blocks("python"), ids=lambda block: block.file)
def test_a_python_block_is_python(block: object) -> None:
    ast.parse(getattr(block, "text", ""))


@pytest.mark.parametrize("block", blocks("json"), ids=lambda block: block.file)
def test_a_json_block_is_json(block: object) -> None:
    json.loads(getattr(block, "text", ""))


@pytest.mark.parametrize("block", blocks("toml", ROOT / "README.md"), ids=lambda block: block.file)
def test_the_readmes_pipeline_is_one(block: object) -> None:
    assert parse(getattr(block, "text", "")).train.entry_point == "train.py"


@pytest.mark.parametrize("name", ["digits", "plain_script"])
def test_the_examples_pipelines_are_accepted(name: str) -> None:
    assert parse((ROOT / "examples" / name / "pipeline" / "pipeline.toml").read_text("utf-8")).gate is not None


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_a_link_leads_to_a_file(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_the_readme_names_every_exit_code() -> None:
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)}
    assert told == {int(code) for code in Exit}


def test_ci_runs_the_commands_that_the_readme_tells() -> None:
    said = (ROOT / ".ci" / "run").read_text("utf-8")
    for command in ("make check", "make demo", "make slow-ci", "make test"):
        assert f"\n{command}\n" in said
        assert command.removesuffix("-ci") in RUN_BY_E2E
