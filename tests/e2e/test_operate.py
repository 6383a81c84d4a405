"""docs/howto/operate.md, typed line by line at a real cloud: every transcript is what is said."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator

from tests import typed
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


def said_by(command: str, cloud: Cloud) -> str:
    """Type a command; gives what stands on the terminal."""
    environment = {"DROPFORGE_HOME": str(cloud.home), "COLUMNS": "300", "PATH": os.environ["PATH"]}
    ended = typed.dropforge(shlex.split(command)[1:], environment)
    return ended.out + _HEADER.sub("", ended.err) + (f"[exit {ended.code}]\n" if ended.code else "")


def pattern_of(said: str) -> str:
    """`…` is anything, on a line of its own any lines."""
    lines = [r"(.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*") + r"\n" for line in said.splitlines()]
    return "".join(lines)


def test_every_order_does_and_says_what_its_transcript_says(cloud: Cloud) -> None:
    push(cloud, ByHand("digits", at_least=0.5))
    drop(cloud, "digits", "monday", knobs(label="a"))
    for transcript in TRANSCRIPTS:
        for command, said in steps(transcript):
            if command.startswith("dropforge show digits/tuesday"):
                drop(cloud, "digits", "tuesday", knobs(label="b"))
                until_sealed(cloud, "digits", "tuesday")
            if command.startswith("dropforge undeploy") and "Nothing changed" in said:
                wait_until(lambda: release_of(cloud, "digits")["stage"] == "idle")
            seen = said_by(command, cloud)
            assert re.fullmatch(pattern_of(said), seen), f"$ {command}\n{seen}\n--- is not ---\n{said}"
