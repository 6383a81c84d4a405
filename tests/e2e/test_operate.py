"""docs/howto/operate.md, typed line by line at a real cloud: every transcript is what is said."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests import typed
from tests.e2e.conftest import Cloud, wait_until
from tests.e2e.pipelines import Tiny, drop, knobs, push, release_of, until_sealed
from tests.unit.docs import ROOT, Block, blocks

pytestmark = pytest.mark.slow
_PAGE = ROOT / "docs" / "howto" / "operate.md"
TRANSCRIPTS = blocks("console http", _PAGE)
_HEADER = re.compile(r"^local cloud at .*\n", re.MULTILINE)
_EXIT = re.compile(r"^\[exit (?P<code>\d+)\]\n\Z", re.MULTILINE)
_CALL = re.compile(r"(?P<method>GET|POST) (?P<path>\S+) ?(?P<body>.*)")
_LONG = 25
"""Seconds of a training that is stopped."""


class ByHand(Tiny):
    """One whose models wait for a person."""

    @property
    def toml(self) -> str:
        return super().toml.replace("[gate]\n", '[gate]\napproval = "manual"\n')


def steps(transcript: Block) -> Iterator[tuple[str, str]]:
    """Give each command, or each HTTP call, of a transcript with what it gives."""
    if transcript.kind == "http":
        lines = transcript.text.splitlines()
        yield from zip(lines[::2], lines[1::2], strict=True)
        return
    for part in re.split(r"^\$ ", transcript.text, flags=re.MULTILINE)[1:]:
        command, _, said = part.partition("\n")
        yield command, said


def said_by(command: str, cloud: Cloud) -> tuple[str, int]:
    """Type a command; gives what stands on the terminal, and its exit code."""
    environment = {"DROPFORGE_HOME": str(cloud.home), "COLUMNS": "300", "PATH": os.environ["PATH"]}
    ended = typed.dropforge(shlex.split(command)[1:], environment)
    return ended.out + _HEADER.sub("", ended.err), ended.code


def answered_to(call: re.Match[str], cloud: Cloud) -> str:
    """Send a signed call; gives the status and the body of its answer, on one line."""
    path = re.sub(r"\{(\w+)\}", lambda named: run_of(cloud, named[1]), call["path"])
    reply = cloud.http(call["method"], path, call["body"].encode() or None, signed=True)
    return f"{reply.status} {json.dumps(reply.json, ensure_ascii=False)}\n"


def run_of(cloud: Cloud, dataset: str) -> str:
    return str(cloud.get(f"/v1/datasets/digits/{dataset}")["run"])


def agrees(said: str, seen: str, code: int) -> bool:
    """Compare with a transcript: `…` is anything, on a line of its own any lines; no exit code written is 0."""
    wanted = _EXIT.search(said)
    lines = _EXIT.sub("", said).splitlines()
    pattern = "".join(r"(.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*") + r"\n" for line in lines)
    return code == int(wanted["code"] if wanted else 0) and re.fullmatch(pattern, seen) is not None


def is_held(cloud: Cloud, run: str) -> bool:
    """Tell whether a run says why it does not start: it does so a moment after its dataset was sealed."""
    return bool(cloud.get(f"/v1/runs/{run}")["reason"])


def test_a_transcript_agrees_with_its_own_exit_code_alone() -> None:
    assert agrees("…\n", "any\nlines\n", 0)
    assert agrees("dropforge: no …\n[exit 3]\n", "dropforge: no such run\n", 3)
    assert not agrees("…\n", "dropforge: boom\n", 1)
    assert not agrees("…\n[exit 3]\n", "dropforge: boom\n", 1)
    assert not agrees("…\n[exit 3]\n", "all is well\n", 0)
    assert not agrees("…\nlive\n", "any\nlines\n", 0)


def test_every_order_does_and_says_what_its_transcript_says(cloud: Cloud, tmp_path: Path) -> None:
    push(cloud, ByHand("digits", at_least=0.5))
    drop(cloud, "digits", "monday", knobs(label="a"))
    [event] = blocks("json", _PAGE)
    (tmp_path / "tick.json").write_text(event.text)
    before = ""
    for transcript in TRANSCRIPTS:
        for asked, said in steps(transcript):
            if asked.startswith("dropforge show digits/tuesday"):
                drop(cloud, "digits", "tuesday", knobs(label="b", seconds=_LONG))
                run = until_sealed(cloud, "digits", "tuesday")
                wait_until(partial(is_held, cloud, run))
            if "undeploy" in before:
                wait_until(lambda: release_of(cloud, "digits")["stage"] == "idle")
            call = _CALL.fullmatch(asked)
            with contextlib.chdir(tmp_path):
                seen, code = (answered_to(call, cloud), 0) if call else said_by(asked, cloud)
            assert agrees(said, seen, code), f"$ {asked}\n{seen}[exit {code}]\n--- is not ---\n{said}"
            before = asked
