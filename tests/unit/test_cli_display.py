"""The display that moves tells the whole way, and how it ended, however narrow the terminal is."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from dropforge.cli.display import Display
from dropforge.cli.follow import StageReached
from dropforge.cli.render import Terminal

STAGES = ("settling", "training", "gate", "registered", "rehearsal", "endpoint rolling out", "live")
REASON = "AlgorithmError: ValueError: the colours are all wrong, and so is this (train.py:12), exit code: 1"


def shown(width: int, *stages: StageReached) -> list[str]:
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=width, soft_wrap=True)
    display = Display(Terminal(out=console, err=console))
    with display():
        for stage in stages:
            display.show(stage)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().rsplit("\x1b[2K", maxsplit=1)[-1].splitlines()


@pytest.mark.parametrize("width", [40, 80, 99, 100, 101, 200])
def test_no_stage_and_no_reason_is_cut_off(width: int) -> None:
    lines = shown(width, StageReached("training", "ml.m5.large"), StageReached("failed", REASON))
    assert all(len(line) <= width for line in lines)
    told = " ".join(" ".join(lines).split())
    assert all(f" {stage}" in told for stage in STAGES)
    assert "✗ failed" in told
    assert REASON in told


def test_the_way_is_one_line_where_it_fits() -> None:
    assert "✓ rehearsal → ✓ endpoint rolling out → ✓ live" in "\n".join(shown(120, StageReached("live")))
