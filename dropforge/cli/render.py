"""What a command prints: tables on a terminal, plain lines in a pipe, JSON where asked; the rest on stderr."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

_KINDS = {
    "live": "bold green",
    "registered": "green",
    "sealed": "green",
    "replaced": "dim",
    "undeployed": "dim",
    "failed": "bold red",
    "release-failed": "bold red",
    "rejected": "red",
    "refused": "red",
    "stopped": "yellow",
}

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What may steer a terminal; tab and newline may stay."""
_FIRST_COLUMN = re.compile(r" *\S+ {2,}")
_GAP = "  "
_NOTHING = "-"


class _Aside(Console):
    """What stands beside the output: that nobody reads it is no reason to stop."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


class Terminal:
    """Where one command speaks to."""

    def __init__(self, *, as_json: bool = False, out: Console | None = None, err: Console | None = None) -> None:
        """With `as_json`, stdout carries JSON alone."""
        self.as_json = as_json
        self.out = out or Console(highlight=False, soft_wrap=True)
        self.err = err or _Aside(stderr=True, highlight=False, soft_wrap=True)

    @property
    def live(self) -> bool:
        """Whether a person watches: a display may move."""
        return self.out.is_terminal and not self.as_json

    def header(self, text: str) -> None:
        self.err.print(Text(clean(text), style="dim"))

    def error(self, sentence: str) -> None:
        self.err.print(Text.assemble(("dropforge: ", "bold red"), clean(sentence)))

    def say(self, line: str | Text = "") -> None:
        if not self.as_json:
            text = line.copy() if isinstance(line, Text) else Text(clean(line))
            text.plain = clean(text.plain)
            self.out.print(text)

    def note(self, sentence: str) -> None:
        """Tell what a person should know beside what was asked for; stdout stays what it is."""
        self.err.print(Text(clean(sentence), style="yellow"))

    def entry(self, line: str) -> None:
        """Print a name and what stands beside it; on a terminal, what is too long goes on below its own beginning."""
        if not self.out.is_terminal:
            self.say(line)
            return
        first, *more = line.splitlines() or [""]
        name = found[0] if (found := _FIRST_COLUMN.match(first)) else ""
        room = max(self.out.width - len(name), 20)
        told = [textwrap.wrap(part, room, break_on_hyphens=False) for part in (first[len(name) :], *more)]
        self.say(name + ("\n" + " " * len(name)).join(piece for pieces in told for piece in pieces))

    def data(self, value: Any) -> None:
        print(_json(value, indent=2))

    def event(self, value: Any) -> None:
        """Print one JSON value on one line: what a reader of a stream wants."""
        print(_json(value), flush=True)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, wide: Sequence[str] = ()) -> None:
        """Print rows: aligned for eyes, separated by tabs for programs.

        Where a terminal is too narrow, the columns in `wide` go below their row, one after the other until it fits.
        """
        cells = [[_plain(cell) for cell in row] for row in rows]
        if not self.out.is_terminal:
            for row in [columns, *cells]:
                print("\t".join(row))
            return
        widths = [max(map(cell_len, column)) for column in zip(columns, *cells, strict=True)]
        kept, below = _fit(columns, widths, wide, self.out.width)
        self.out.print(_line([Text(columns[at], "bold") for at in kept], [widths[at] for at in kept]))
        for row in cells:
            self.out.print(_line([state(row[at]) for at in kept], [widths[at] for at in kept]))
            for at in below:
                if row[at] != _NOTHING:
                    self.out.print(Text("\n".join(_beneath(row[at], self.out.width)), "dim"))


def _fit(columns: Sequence[str], widths: Sequence[int], wide: Sequence[str], width: int) -> tuple[list[int], list[int]]:
    """Choose which columns stand in the row, and which below it."""
    kept, below = list(range(len(columns))), []
    for name in wide:
        if sum(widths[at] + len(_GAP) for at in kept) - len(_GAP) > width:
            kept.remove(columns.index(name))
            below.append(columns.index(name))
    return kept, below


def _line(cells: Sequence[Text], widths: Sequence[int]) -> Text:
    line = Text()
    for cell, width in zip(cells, widths, strict=True):
        line.append_text(cell).append(" " * (width - cell.cell_len) + _GAP)
    line.rstrip()
    return line


def _beneath(text: str, width: int) -> list[str]:
    """Indent a text below its row; a word that is longer than a line, such as a path, stays whole."""
    indent = " " * 4
    return textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def state(word: str) -> Text:
    return Text(word, style=_KINDS.get(word, ""))


def _plain(cell: Any) -> str:
    return _NOTHING if cell is None else clean(" ".join(str(cell).split()))


def clean(text: str) -> str:
    """Make what others wrote (logs, reasons, names) harmless to a terminal, character by character."""
    return _CONTROLS.sub("\ufffd", text)


def _json(value: Any, indent: int | None = None) -> str:
    """Write JSON for people and programs; JSON itself escapes only the controls of ASCII.

    What stdout's encoding may lack is escaped as JSON escapes it: Python's own escapes are none of JSON's.
    """
    narrow = (sys.stdout.encoding or "utf-8").lower().replace("-", "") != "utf8"
    text = json.dumps(value, ensure_ascii=narrow, indent=indent)
    return re.sub(r"[\x7f-\x9f]", lambda found: f"\\u{ord(found[0]):04x}", text)


def local_time(iso: str | None, *, short: bool = False) -> str:
    """Give a moment by the clock on the wall: `2031-05-01 14:03:12`, or in short `05-01 14:03`."""
    form = "%m-%d %H:%M" if short else "%Y-%m-%d %H:%M:%S"
    return _NOTHING if not iso else moment(iso).astimezone().strftime(form)


def moment(iso: str) -> datetime:
    return datetime.fromisoformat(iso)


def duration(seconds: float) -> str:
    minute, hour = 60, 3600
    if seconds < minute:
        return f"{seconds:.1f} s"
    if seconds < hour:
        return f"{int(seconds // minute)} min {int(seconds % minute)} s"
    return f"{int(seconds // hour)} h {int(seconds % hour // minute)} min"


def size(count: float) -> str:
    kilo = 1024
    for unit in ("B", "KB", "MB", "GB"):
        if count < kilo:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= kilo
    return f"{count:.1f} TB"


def flush() -> None:
    sys.stdout.flush()
