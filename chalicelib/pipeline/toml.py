"""From bytes to plain TOML data, or to a refusal; nothing that a text can do goes further than that."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import Any

from chalicelib.pipeline.refusals import PipelineRefused, Problem
from chalicelib.pipeline.tokens import depth

SIZE_LIMIT = 256 * 1024
"""Bytes of a pipeline file, and of a run.toml."""
DEPTH_LIMIT = 32
_INTEGER_LIMIT = 2**63
_POSITION = re.compile(r"\s*\(at (?:line (?P<line>\d+), column \d+|end of document)\)$")


@dataclass(frozen=True, slots=True)
class Toml:
    data: dict[str, Any]
    text: str


def read_toml(given: str | bytes) -> Toml:
    """Read a TOML text; PipelineRefused with line and column where it is none."""
    text = _text(given)
    if depth(text) > DEPTH_LIMIT:
        # A long dotted key costs tomllib memory by the square of its length, deep brackets end its recursion.
        raise PipelineRefused([_too_deep()])
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PipelineRefused([_not_toml(text, str(error))]) from error
    except ValueError as error:
        # Python reads no decimal number of more than 4,300 digits.
        raise PipelineRefused([_too_large()]) from error
    _walk(data)
    return Toml(data, text)


def _text(given: str | bytes) -> str:
    body = given if isinstance(given, bytes) else given.encode("utf-8", "surrogatepass")
    if len(body) > SIZE_LIMIT:
        raise PipelineRefused([Problem(None, "", f"is {len(body)} bytes long; {SIZE_LIMIT} are allowed")])
    try:
        return body.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        column = error.start - (body.rfind(b"\n", 0, error.start) + 1) + 1
        message = f"is not UTF-8 (at line {line}, byte {column} of the line); save the file as UTF-8"
        raise PipelineRefused([Problem(line, "", message)]) from error


def _not_toml(text: str, message: str) -> Problem:
    found = _POSITION.search(message)
    if found is None:
        return Problem(None, "", f"is not TOML: {message}")
    lines = text.split("\n")
    line = int(found["line"] or len(lines))
    place = "" if found["line"] else f" (at line {line}, column {len(lines[-1]) + 1})"
    return Problem(line, "", f"is not TOML: {message[: found.start()] if place else message}{place}")


def _too_deep() -> Problem:
    return Problem(None, "", f"is nested too deeply; {DEPTH_LIMIT} levels, or parts of a dotted key, are allowed")


def _too_large() -> Problem:
    return Problem(None, "", "holds an integer that does not fit in 64 bits")


def _walk(data: dict[str, Any]) -> None:
    """Refuse what TOML's grammar takes but no reader after it should meet: depth, and integers beyond 64 bits."""
    level: list[Any] = [data]
    for _ in range(DEPTH_LIMIT):
        level = [inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer)]
        if any(isinstance(value, int) and not -_INTEGER_LIMIT <= value < _INTEGER_LIMIT for value in level):
            raise PipelineRefused([_too_large()])
        level = [value for value in level if isinstance(value, dict | list)]
    if level:
        raise PipelineRefused([_too_deep()])
