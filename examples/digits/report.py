"""What the demo tells at its end: digits beside their answers, the accuracy, and how long each stage took."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from dropforge.cli.render import Terminal, duration, moment

_INK = " .:-=+*#%@"
_SHOWN = 6
_INDENT, _GAP, _CELL = "   ", "  ", 16
_ENDED_BY = (
    ("arriving and settling", "sealed"),
    ("preparing", "training started"),
    ("training", "training completed"),
    ("gate and registry", "registered"),
    ("rehearsal", "release: rehearsal passed"),
    ("endpoint rollout", "release: live"),
)
"""The line of a run's timeline with which each stage ends."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One picture, and what the live model said of it."""

    path: Path
    truth: str
    label: str
    score: float
    seconds: float

    @property
    def right(self) -> bool:
        return self.label == self.truth


def accuracy(asked: Sequence[Asked]) -> float:
    return sum(each.right for each in asked) / len(asked)


def show(terminal: Terminal, asked: Sequence[Asked], stages: Mapping[str, float], spent: float) -> None:
    wrong = [each for each in asked if not each.right][:1]
    shown = fitting(terminal.out.width) if terminal.live else _SHOWN
    for line in side_by_side([*[each for each in asked if each.right][: shown - len(wrong)], *wrong]):
        terminal.say(_INDENT + line)
    middle = statistics.median(each.seconds for each in asked) * 1000
    right = sum(each.right for each in asked)
    terminal.say(f"   accuracy on held-out digits over HTTP: {accuracy(asked):.4f}")
    terminal.say(f"   {right} of {len(asked)} right, {middle:.1f} ms each")
    terminal.say("7. How long each stage took")
    for name, seconds in stages.items():
        terminal.say(f"   {name:<24}{duration(seconds):>8}")
    terminal.say(f"   {'starting, and asking':<24}{duration(spent - sum(stages.values())):>8}")
    terminal.say(f"   {'all of it':<24}{duration(spent):>8}")
    terminal.say()
    terminal.say(NEXT)


def fitting(width: int) -> int:
    """Say how many pictures stand next to each other on a terminal: a line that wraps tears them all."""
    return max(1, min(_SHOWN, (width - len(_INDENT) + len(_GAP)) // (_CELL + len(_GAP))))


def side_by_side(asked: Sequence[Asked]) -> list[str]:
    """Draw pictures next to each other, each with its answer below."""
    drawn = [draw(each.path) for each in asked]
    said = [
        (f"is {each.truth}, said {each.label}", f"{each.score:.2f} " + ("right" if each.right else "WRONG"))
        for each in asked
    ]
    rows = [*zip(*drawn, strict=True), *zip(*said, strict=True)]
    return [_GAP.join(f"{cell:<{_CELL}}" for cell in row).rstrip() for row in rows]


def draw(path: Path) -> list[str]:
    """Draw a picture with letters, two a pixel: a letter is twice as high as it is wide."""
    with Image.open(path) as picture:
        grey = picture.convert("L")
        width, height = grey.size
        pixels = grey.tobytes()
    ink = [_INK[value * (len(_INK) - 1) // 255] * 2 for value in pixels]
    return ["".join(ink[row * width : (row + 1) * width]) for row in range(height)]


def stages(timeline: Sequence[Mapping[str, Any]], first_seen: str) -> dict[str, float]:
    """Read the seconds that each stage took from a run's timeline; `first_seen` is when the first object arrived."""
    found, before = {}, moment(first_seen)
    for name, last in _ENDED_BY:
        at = next((moment(entry["at"]) for entry in timeline if entry["what"] == last), None)
        if at is not None:
            found[name], before = (at - before).total_seconds(), at
    return found


NEXT = """Next: the same cloud, to stay, and your own pictures
(in FOLDER/training/<class>/ and FOLDER/evaluation/<class>/):
   make up
   .venv/bin/dropforge push examples/digits/pipeline --name digits
   .venv/bin/dropforge drop digits FOLDER
   .venv/bin/dropforge show latest --follow
   .venv/bin/dropforge predict digits FILE.png
"""
