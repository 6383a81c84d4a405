"""What others wrote is printed, and steers no terminal."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console
from rich.text import Text

from dropforge.cli.display import Display
from dropforge.cli.follow import Measured, Progressed, Said, StageReached
from dropforge.cli.render import Terminal

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m name"
SEEN = "\ufffd]0;owned\ufffd\ufffd[2J\ufffd31m name"


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def terminal(out: io.StringIO) -> Terminal:
    console = Console(file=out, highlight=False, soft_wrap=True, color_system=None, width=200)
    return Terminal(out=console, err=console)


def test_lines_headers_and_errors_steer_no_terminal(terminal: Terminal, out: io.StringIO) -> None:
    terminal.say(HOSTILE)
    terminal.say(Text(HOSTILE, style="dim"))
    terminal.header(HOSTILE)
    terminal.error(HOSTILE)
    styled = SEEN.replace("owned\ufffd", "owned")  # a Text drops the bell by itself
    assert out.getvalue().splitlines() == [SEEN, styled, SEEN, f"dropforge: {SEEN}"]


def test_cells_of_a_table_steer_no_terminal(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.table(["run"], [[HOSTILE]])
    assert capsys.readouterr().out == f"run\n{SEEN}\n"


def test_the_live_display_steers_no_terminal(out: io.StringIO) -> None:
    watched = Console(file=out, force_terminal=True, color_system=None, width=200)
    display = Display(Terminal(out=watched, err=watched))
    with display():
        for change in (
            StageReached("training", HOSTILE),
            Progressed(0.5, HOSTILE),
            Measured(HOSTILE, 1),
            Said(HOSTILE),
        ):
            display.show(change)
    assert out.getvalue().count(SEEN) >= 4
    assert HOSTILE not in out.getvalue()


def test_json_carries_what_was_written_and_steers_no_terminal(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.data({"text": HOSTILE})
    terminal.event({"text": HOSTILE})
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert "\x9b" not in text
    assert json.loads(text.splitlines()[-1]) == {"text": HOSTILE}


def test_other_alphabets_stay_as_they_are(terminal: Terminal, out: io.StringIO) -> None:
    terminal.say("Größe 七 ✓")
    assert out.getvalue() == "Größe 七 ✓\n"
