"""Show a run while it goes: a display that moves on a terminal, plain lines in a pipe, JSON lines where asked."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dropforge.cli.follow import AWAITING, ENDS, STAGES, Change, Measured, Progressed, Said, StageReached
from dropforge.cli.render import Terminal, clean, state

_LINES = 8
_WAY = tuple(stage for stage in STAGES if stage not in {"preparing", AWAITING, "pending"})
_NAMES = {
    "evaluating": "gate",
    AWAITING: "awaiting approval",
    "rolling-out": "endpoint rolling out",
    "rehearsing": "rehearsal",
}


class Display:
    """What was seen so far, drawn anew with each change."""

    def __init__(self, terminal: Terminal) -> None:
        """Draw on `terminal`."""
        self.terminal = terminal
        self.stage = ""
        self.note = ""
        self.reached: list[str] = []
        self.progress: Progressed | None = None
        self.metrics: dict[str, float] = {}
        self.lines: deque[str] = deque(maxlen=_LINES)
        self._begun = time.monotonic()
        self._live: Live | None = None

    @contextmanager
    def __call__(self) -> Iterator[Display]:
        """Keep the display up for a while; without a terminal that needs nothing."""
        if not self.terminal.live:
            yield self
            return
        with Live(self, console=self.terminal.out, refresh_per_second=8, transient=False) as self._live:
            yield self
        self._live = None

    def watch(self, changes: Iterable[Change | None]) -> None:
        with self():
            for change in changes:
                if change is not None:
                    self.show(change)

    def show(self, change: Change) -> None:
        self._take(change)
        if self.terminal.as_json:
            self.terminal.event({"kind": type(change).__name__} | asdict(change))
        elif self._live is None:
            self.terminal.say(f"{time.monotonic() - self._begun:6.1f}s  {_line(change)}")

    def _take(self, change: Change) -> None:
        match change:
            case StageReached(stage, note):
                self.stage, self.note = stage, clean(note)
                if stage not in self.reached:
                    self.reached.append(stage)
            case Progressed():
                self.progress = replace(change, note=clean(change.note))
            case Measured(name, value):
                self.metrics[clean(name)] = value
            case Said(text):
                self.lines.append(clean(text))

    def __rich__(self) -> RenderableType:
        parts: list[RenderableType] = [self._way()]
        if self.note:
            parts.append(Text(f"  {self.note}", style="dim", no_wrap=False, overflow="fold"))
        if self.progress:
            parts.append(_bar(self.progress))
        parts += [Text(f"  {name} = {value:g}", style="cyan") for name, value in self.metrics.items()]
        parts += [Text(f"  │ {line}", style="dim", overflow="ellipsis", no_wrap=True) for line in self.lines]
        return Group(*parts)

    def _way(self) -> Text:
        """Draw the stages in a row, on as many lines as the terminal's width asks for: how it ended is told last."""
        way, used = Text(no_wrap=False, overflow="fold"), 0
        for number, step in enumerate(self._steps()):
            arrow = "" if number == 0 else "  " if number >= len(_WAY) else " → "
            if used + len(arrow) + len(step) > self.terminal.out.width - len(" →"):
                way.append(arrow.rstrip() + "\n  ", "dim")
                used, arrow = len("  "), ""
            way.append(arrow, "dim").append_text(step)
            used += len(arrow) + len(step)
        return way

    def _steps(self) -> Iterator[Text]:
        last = max((_WAY.index(stage) for stage in self.reached if stage in _WAY), default=-1)
        for number, stage in enumerate(_WAY):
            done = number < last or stage == self.stage == "live"
            here = number == last and not done
            mark, style = ("✓ ", "green") if done else (("● ", "bold yellow") if here else ("○ ", "dim"))
            yield Text(mark + _NAMES.get(stage, stage), style)
        if self.stage in ENDS and self.stage != "live":
            yield Text.assemble(("✗ ", "bold red"), state(self.stage))


def _bar(progress: Progressed) -> Table:
    row = Table.grid(padding=(0, 1))
    row.add_row(
        " ", ProgressBar(total=1.0, completed=progress.share, width=30), f"{progress.share:.0%}", Text(progress.note)
    )
    return row


def _line(change: Change) -> str:
    match change:
        case StageReached(stage, note):
            return f"== {_NAMES.get(stage, stage)}" + (f": {note}" if note else "")
        case Progressed(share, note):
            return f"   {share:4.0%} {note}"
        case Measured(name, value):
            return f"   {name} = {value:g}"
        case Said(text):
            return f"   | {text}"
