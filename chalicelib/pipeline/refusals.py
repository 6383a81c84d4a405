"""A no to a pipeline file: every problem with its line, its key and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.errors import RefusedError

Place = tuple[str | int, ...]
"""Where in the file: the parts of a dotted key, with the positions of list items."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SHOWN = 60
PROBLEM_LIMIT = 100
"""Problems told in one refusal; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: its line (None where the text has none for it), its dotted key, and what is allowed."""

    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        where = ", ".join(part for part in (f"line {self.line}" if self.line else "", self.key) if part)
        return f"{where}: {self.message}" if where else self.message


class PipelineRefused(RefusedError):  # noqa: N818 (a refusal is a word of this house: a no, not a fault)
    """The file cannot be used as it is; `problems` holds everything that is wrong with it."""

    code = "pipeline-refused"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


def dotted(place: Place) -> str:
    """Write a place as TOML writes it: `train.metrics."validation:accuracy"`, `deploy.smoke_test[0].payload`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{_bare(part)}" for part in place)
    return "".join(parts).removeprefix(".")


def _bare(part: str) -> str:
    shown = part if len(part) <= _SHOWN else f"{part[: _SHOWN - 1]}…"
    return shown if _BARE.fullmatch(shown) else f'"{shown.translate(_ESCAPES)}"'


_ESCAPES = {code: f"\\u{code:04x}" for code in (*range(32), 127)} | {ord('"'): '\\"', ord("\\"): "\\\\"}
