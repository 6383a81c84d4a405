"""Values that an order to start sets, as TOML: written as a run.toml would be, and laid over one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, time
from itertools import islice
from typing import Any

from chalicelib.pipeline.refusals import PipelineRefused, Problem
from chalicelib.pipeline.toml import DEPTH_LIMIT, read_toml

_BARE = re.compile(r"[A-Za-z0-9_-]+")
VALUES_LIMIT = 100
"""Values in one order: SageMaker's limit of hyperparameters."""
TEXT_LIMIT = 65_536
"""Characters of an order's values as TOML: as many as a run.toml may have bytes."""
_SHOWN = 60
"""Characters of a key that a refusal shows."""
Table = Mapping[str, Any]


def write_values(values: Table) -> str:
    """Write values as TOML, one line each; a dot in a key of the outermost table leads one table down.

    PipelineRefused names what TOML cannot hold, and refuses more than anybody needs before anything is made of it.
    """
    _check_count(values)
    table: dict[str, Any] = {}
    for key, value in values.items():
        _check_depth(key, value)
        *parents, last = key.split(".")
        for parent in reversed(parents):
            value = {last: value}  # noqa: PLW2901 (it is wrapped from the inside out)
            last = parent
        table = _over(table, {last: value})
    text = _text(table)
    if len(text) > TEXT_LIMIT:
        raise _refused(("set",), f"is longer than {TEXT_LIMIT} characters as TOML")
    return read_toml(text).text


def lay_over(text: str, values: str) -> str:
    """Give the TOML of `text` with the values of another in the place of its own; `text` itself without any."""
    if not values:
        return text
    return _text(_over(read_toml(text).data, read_toml(values).data))


def _check_count(values: Table) -> None:
    """Count the values at the ends of all tables, no further than to one too many."""
    count, left = 0, [values]
    while left and count <= VALUES_LIMIT:
        for value in islice(left.pop().values(), VALUES_LIMIT + 1):
            if isinstance(value, Mapping) and value:
                left.append(value)
            else:
                count += 1
    if count > VALUES_LIMIT:
        raise _refused(("set",), f"holds more than {VALUES_LIMIT} values")


def _check_depth(key: str, value: object) -> None:
    """Refuse what is nested too deeply before tables are made of it."""
    level = [value]
    for _ in range(DEPTH_LIMIT - key.count(".")):
        level = [inner for outer in level for inner in _inside(outer)]
    if level:
        raise _refused((key[:_SHOWN],), "is nested too deeply")


def _inside(value: object) -> Iterable[object]:
    return value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()


def _over(base: Table, more: Table) -> dict[str, Any]:
    laid = dict(base)
    for key, value in more.items():
        there = laid.get(key)
        laid[key] = _over(there, value) if isinstance(there, dict) and isinstance(value, dict) else value
    return laid


def _text(table: Table) -> str:
    return "".join(f"{line}\n" for line in _lines(table, ()))


def _lines(table: Table, place: tuple[str, ...]) -> Iterator[str]:
    if len(place) > DEPTH_LIMIT:
        raise _refused(place, "is nested too deeply")
    for key, value in sorted(table.items()):
        inner = (*place, key)
        if isinstance(value, Mapping) and value:
            yield from _lines(value, inner)
        else:
            yield f"{'.'.join(map(_key, inner))} = {_value(value, inner, DEPTH_LIMIT)}"


def _value(value: object, place: tuple[str, ...], depth: int) -> str:
    if depth < 0:
        raise _refused(place, "is nested too deeply")
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return _quoted(value)
        case date() | time():
            return value.isoformat()
        case list():
            return f"[{', '.join(_value(each, place, depth - 1) for each in value)}]"
        case Mapping():
            held = (f"{_key(key)} = {_value(each, place, depth - 1)}" for key, each in value.items())
            return f"{{{', '.join(held)}}}"
        case _:
            raise _refused(place, "must be text, a number, true, false, a list or a table")


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _quoted(key)


def _quoted(text: str) -> str:
    """Write a basic string: JSON escapes what TOML does, but for one control character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _refused(place: tuple[str, ...], message: str) -> PipelineRefused:
    return PipelineRefused([Problem(None, ".".join(map(_key, place)), message)])
