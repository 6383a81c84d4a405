"""The fenced blocks of the documentation, for the tests that run and check them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    file: str
    kind: str
    text: str

    @property
    def commands(self) -> list[str]:
        return [line for line in self.text.splitlines() if line and not line.startswith("#")]


def pages() -> list[Path]:
    return [
        ROOT / "README.md",
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted((ROOT / "examples").glob("*/README.md")),
    ]


def blocks(kinds: str, *files: Path) -> list[Block]:
    """Give the blocks of a kind (`sh`, `python`, …) or of several (`console http`) in the order of the pages."""
    return [
        Block(file.relative_to(ROOT).as_posix(), found["kind"], found["text"])
        for file in files or pages()
        for found in _FENCE.finditer(file.read_text("utf-8"))
        if found["kind"] in kinds.split()
    ]
