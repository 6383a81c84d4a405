"""docs/howto/operate.md, typed line by line at a real cloud: every transcript is what is said."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import sys
from collections.abc import Iterator

import pytest

from dropforge.cli.command import end
from dropforge.cli.main import app
from tests.e2e.conftest import Cloud, wait_until
from tests.e2e.pipelines import Tiny, drop, knobs, push, release_of, until_sealed
from tests.unit.docs import ROOT, blocks

TRANSCRIPTS = [block.text for block in blocks("console", ROOT / "docs" / "howto" / "operate.md")]
_HEADER = re.compile(r"^local cloud at .*\n", re.MULTILINE)


class ByHand(Tiny):
    """One whose models wait for a person."""

    @property
    def toml(self) -> str:
        return super().toml.replace("[gate]\n", '[gate]\napproval = "manual"\n')


def steps(transcript: str) -> Iterator[tuple[str, str]]:
    """Give each command of a transcript with what it says."""
    for part in re.split(r"^\$ ", transcript, flags=re.MULTILINE)[1:]:
        command, _, said = part.partition("\n")
        yield command, said


def typed(command: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Call the tool in this process, as its own would; gives what stands on the terminal."""
    out = io.StringIO()
    code: object = 0
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            end(app)
        except SystemExit as ended:
            code = ended.code
    return _HEADER.sub("", out.getvalue()) + (f"[exit {code}]\n" if code else "")


def pattern_of(said: str) -> str:
    """`…` is anything, on a line of its own any lines."""
    lines = [r"(.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*") + r"\n" for line in said.splitlines()]
    return "".join(lines)


@pytest.fixture
def tool(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    monkeypatch.setenv("DROPFORGE_HOME", str(cloud.home))
    monkeypatch.setenv("COLUMNS", "300")
    return cloud


def test_every_order_does_and_says_what_its_transcript_says(tool: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    push(tool, ByHand("digits", at_least=0.5))
    drop(tool, "digits", "monday", knobs(label="a"))
    for transcript in TRANSCRIPTS:
        for command, said in steps(transcript):
            if command.startswith("dropforge show digits/tuesday"):
                drop(tool, "digits", "tuesday", knobs(label="b"))
                until_sealed(tool, "digits", "tuesday")
            if command.startswith("dropforge undeploy") and "Nothing changed" in said:
                wait_until(lambda: release_of(tool, "digits")["stage"] == "idle")
            seen = typed(command, monkeypatch)
            assert re.fullmatch(pattern_of(said), seen), f"$ {command}\n{seen}\n--- is not ---\n{said}"
