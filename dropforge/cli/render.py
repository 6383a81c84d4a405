"""What a command prints: tables on a terminal, plain lines in a pipe, JSON where asked; the rest on stderr."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_KINDS = {
    "live": "bold green",
    "registered": "green",
    "sealed": "green",
    "replaced": "dim",
    "failed": "bold red",
    "release-failed": "bold red",
    "rejected": "red",
    "refused": "red",
    "stopped": "yellow",
}

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What may steer a terminal; tab and newline may stay."""


class Terminal:
    """Where one command speaks to."""

    def __init__(self, *, as_json: bool = False, out: Console | None = None, err: Console | None = None) -> None:
        """With `as_json`, stdout carries JSON alone."""
        self.as_json = as_json
        self.out = out or Console(highlight=False, soft_wrap=True)
        self.err = err or Console(stderr=True, highlight=False, soft_wrap=True)

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

    def data(self, value: Any) -> None:
        print(_json(value, indent=2))

    def event(self, value: Any) -> None:
        """Print one JSON value on one line: what a reader of a stream wants."""
        print(_json(value), flush=True)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Print rows: aligned for eyes, separated by tabs for programs."""
        if not self.out.is_terminal:
            for row in [columns, *rows]:
                print("\t".join(_plain(cell) for cell in row))
            return
        table = Table(box=None, header_style="bold", pad_edge=False)
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(state(_plain(cell)) for cell in row))
        self.out.print(table)


def state(word: str) -> Text:
    return Text(word, style=_KINDS.get(word, ""))


def _plain(cell: Any) -> str:
    return "-" if cell is None else clean(" ".join(str(cell).split()))


def clean(text: str) -> str:
    """Make what others wrote (logs, reasons, names) harmless to a terminal, character by character."""
    return _CONTROLS.sub("\ufffd", text)


def _json(value: Any, indent: int | None = None) -> str:
    """Write JSON for people and programs; JSON itself escapes only the controls of ASCII."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return re.sub(r"[\x7f-\x9f]", lambda found: f"\\u{ord(found[0]):04x}", text)


def local_time(iso: str | None) -> str:
    """Give a moment by the clock on the wall: `2031-05-01 14:03:12`."""
    return "-" if not iso else moment(iso).astimezone().strftime("%Y-%m-%d %H:%M:%S")


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
