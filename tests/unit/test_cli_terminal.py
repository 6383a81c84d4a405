"""What a terminal of 80 columns shows of tables and entries: nothing is torn in the middle of a word."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from dropforge.cli.render import Terminal
from dropforge.cli.tables import described, run_row

REASON = "The training script ended with exit code 1: ValueError: no such column: width (train.py:12). " * 2
ARN = "arn:aws:sagemaker:us-east-1:000000000000:model-package/dropforge-dev-digits/1"
SEEN = {
    "run": "0123456789ab",
    "dataset": "digits/first",
    "stage": "release-failed",
    "sealed_at": "2031-05-01T10:00:00.000+00:00",
    "metrics": {"validation:accuracy": 0.983333},
    "reason": REASON,
    "release": None,
    "package": ARN,
    "timeline": [{"at": "2031-05-01T10:00:00.000+00:00", "what": "failed", "facts": {"reason": REASON}}],
}


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def terminal(out: io.StringIO) -> Terminal:
    return narrow(out, 80)


def narrow(out: io.StringIO, width: int) -> Terminal:
    console = Console(file=out, force_terminal=True, color_system=None, width=width, soft_wrap=True, highlight=False)
    return Terminal(out=console, err=console)


def test_why_stands_below_its_run_in_whole_words(terminal: Terminal, out: io.StringIO) -> None:
    columns = ("run", "dataset", "stage", "metrics", "sealed", "why")
    terminal.table(columns, [run_row(SEEN, short=True)], wide=("why", "metrics"))
    header, row, *below = out.getvalue().splitlines()
    assert header.split() == ["run", "dataset", "stage", "sealed"]
    assert row.split()[:4] == ["0123456789ab", "digits/first", "release-failed", "05-01"]
    assert all(len(line) <= 80 and line.startswith("    ") for line in below)
    told = " ".join(" ".join(below).split())
    assert told == f"{REASON.strip()} validation:accuracy = 0.983333"


def test_a_table_that_fits_keeps_all_its_columns_in_the_row(out: io.StringIO) -> None:
    narrow(out, 300).table(("run", "why"), [("ab", REASON), ("cdef", None)], wide=("why",))
    assert out.getvalue().splitlines() == ["run   why", f"ab    {REASON.strip()}", "cdef  -"]


def test_a_long_path_stays_whole_below_its_row(terminal: Terminal, out: io.StringIO) -> None:
    path = "/a/folder/with-a-long-name" * 4 + "/seven.png"
    terminal.table(("file", "label"), [(path, "7")], wide=("file",))
    assert out.getvalue().splitlines() == ["label", "7", f"    {path}"]


def test_what_show_tells_goes_on_below_its_own_beginning(terminal: Terminal, out: io.StringIO) -> None:
    for line in described(SEEN):
        terminal.entry(line)
    lines = out.getvalue().splitlines()
    assert all(len(line) <= 80 for line in lines)
    at = next(number for number, line in enumerate(lines) if line.startswith("package"))
    assert "".join(line.strip() for line in lines[at : at + 2]) == f"package   {ARN}"
    assert lines[at + 1].startswith(" " * 10)
    at = next(number for number, line in enumerate(lines) if "0.0s  failed" in line)
    assert all(line.startswith(" " * 11) for line in lines[at + 1 :])
