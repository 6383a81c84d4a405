"""The part of JSONPath that SageMaker's filters have: `$`, `.name`, `['a','b']`, `[0,5:]`, `*`.

Listed in https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform-data-processing.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_STEP = re.compile(
    r"""\.?\[\s*(?P<all>\*)\s*\]
    | \.(?P<star>\*)
    | \.(?P<name>[^.\[\]*'"\s]+)
    | \.?\[(?P<names>\s*(?:'[^']*'|"[^"]*")\s*(?:,\s*(?:'[^']*'|"[^"]*")\s*)*)\]
    | \.?\[(?P<items>[-\d:,\s]+)\]""",
    re.VERBOSE,
)
_ITEM = re.compile(r"\s*(?:(?P<one>-?\d+)|(?P<start>-?\d+)?:(?P<end>-?\d+)?)\s*")
_QUOTED = re.compile(r"""'([^']*)'|"([^"]*)\"""")


class PathError(Exception):
    """An expression that is none, or that finds nothing in what it is applied to."""


@dataclass(frozen=True, slots=True)
class _Names:
    names: tuple[str, ...]

    def select(self, value: Any) -> Any:
        if not isinstance(value, dict) or any(name not in value for name in self.names):
            raise PathError(f"there is no {', '.join(self.names)}")
        return value[self.names[0]] if len(self.names) == 1 else {name: value[name] for name in self.names}


@dataclass(frozen=True, slots=True)
class _Items:
    parts: tuple[int | slice, ...]

    def select(self, value: Any) -> Any:
        if not isinstance(value, list):
            raise PathError("what is not an array has no items")
        try:
            if len(self.parts) == 1 and isinstance(self.parts[0], int):
                return value[self.parts[0]]
            return [one for part in self.parts for one in (value[part] if isinstance(part, slice) else [value[part]])]
        except IndexError as error:
            raise PathError(f"an array of {len(value)} has no such item") from error


_Step = _Names | _Items | None


@dataclass(frozen=True, slots=True)
class Path:
    """An expression that has been read; None among its steps means all."""

    steps: tuple[_Step, ...]

    def select(self, value: Any) -> Any:
        """Give the part of a value that the expression names; PathError where there is none."""
        for number, step in enumerate(self.steps):
            if step is None:
                rest = Path(self.steps[number + 1 :])
                return [rest.select(one) for one in _each(value)]
            value = step.select(value)
        return value


def read(text: str) -> Path:
    """Read an expression; PathError where it is none."""
    return Path(tuple(_steps(text.strip())))


def _steps(text: str) -> Iterator[_Step]:
    if not text.startswith("$"):
        raise PathError(text)
    place = 1
    while place < len(text):
        found = _STEP.match(text, place)
        if not found:
            raise PathError(text)
        place = found.end()
        if found["name"]:
            yield _Names((found["name"],))
        elif found["names"]:
            yield _Names(tuple(one or other for one, other in _QUOTED.findall(found["names"])))
        elif found["items"]:
            yield _Items(tuple(_item(one, text) for one in found["items"].split(",")))
        else:
            yield None


def _item(text: str, whole: str) -> int | slice:
    found = _ITEM.fullmatch(text)
    if not found:
        raise PathError(whole)
    if found["one"]:
        return int(found["one"])
    return slice(*(int(found[name]) if found[name] else None for name in ("start", "end")))


def _each(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, list):
        return value
    raise PathError("only arrays and objects have parts")
