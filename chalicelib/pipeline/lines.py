"""Which line of a TOML text each key stands on. The parser does not tell, and a refusal without a line is half a help.

The text has been read by tomllib already, so what comes here is valid TOML, and a lenient walk over its tokens is enough.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field

from chalicelib.pipeline.refusals import Place

_TOKEN = re.compile(
    r'''
      (?P<text>"""(?:[^"\\]|\\.|"(?!""))*"{3,5} | \'\'\'(?:[^']|'(?!''))*'{3,5}
             | "(?:[^"\\\n]|\\.)*" | '[^'\n]*')
    | (?P<comment>\#[^\n]*)
    | (?P<newline>\n)
    | (?P<mark>[][{}=,.])
    | (?P<bare>[^\s"'\#\[\]{}=,.]+)
    ''',
    re.VERBOSE | re.DOTALL,
)


@dataclass(slots=True)
class _Token:
    kind: str
    text: str
    line: int


def find_line(lines: dict[Place, int], place: Place) -> int | None:
    """Give the line of a key, or of the nearest table around it; None where the text names neither."""
    for length in range(len(place), 0, -1):
        if place[:length] in lines:
            return lines[place[:length]]
    return None


def key_lines(text: str) -> dict[Place, int]:
    """Give the line (from 1) of every key, table and list item."""
    return _Walk(_tokens(text)).run()


def _tokens(text: str) -> Iterator[_Token]:
    line = 1
    for found in _TOKEN.finditer(text):
        kind = found.lastgroup or ""
        if kind != "comment":
            yield _Token(kind, found[0], line)
        line += found[0].count("\n")


@dataclass(slots=True)
class _Walk:
    tokens: Iterator[_Token]
    lines: dict[Place, int] = field(default_factory=dict)
    tables: dict[Place, int] = field(default_factory=dict)
    """How many items each list of tables has so far."""

    def run(self) -> dict[Place, int]:
        table: Place = ()
        for token in self.tokens:
            if token.text == "[" and token.kind == "mark":
                table = self._header(token.line)
            elif token.kind in {"bare", "text"}:
                self._value(self._key(table, token))
        return self.lines

    def _header(self, line: int) -> Place:
        parts: list[str] = []
        opened = 1
        for token in self.tokens:
            if token.kind == "newline":
                break
            opened += token.text == "[" and token.kind == "mark"
            if token.kind in {"bare", "text"}:
                parts.append(_part(token))
        place: Place = ()
        for number, part in enumerate(parts, 1):
            place = (*place, part)
            self.lines.setdefault(place, line)
            if number == len(parts) and opened > 1:
                self.tables[place] = self.tables.get(place, -1) + 1
            if place in self.tables:
                place = (*place, self.tables[place])
                self.lines.setdefault(place, line)
        return place

    def _key(self, table: Place, first: _Token) -> Place:
        place: Place = (*table, _part(first))
        for token in self.tokens:
            if token.text == "=" and token.kind == "mark":
                break
            if token.kind in {"bare", "text"}:
                self.lines.setdefault(place, first.line)
                place = (*place, _part(token))
        self.lines.setdefault(place, first.line)
        return place

    def _value(self, place: Place) -> None:
        """Walk one value to its end: the newline outside all brackets, or the bracket that closes the list around it."""
        around: list[tuple[str, Place, int]] = []
        for token in self.tokens:
            if token.kind == "newline" and not around:
                return
            if token.kind == "newline":
                continue
            if token.kind == "mark" and token.text in "[{":
                place = self._item(around, place, token)
                around.append((token.text, place, -1))
            elif token.kind == "mark" and token.text in "]}":
                place = around.pop()[1]
            elif token.text == "," and token.kind == "mark":
                place = around[-1][1]
            elif around and around[-1][0] == "{" and place == around[-1][1]:
                place = self._key(place, token)
            else:
                place = self._item(around, place, token)

    def _item(self, around: list[tuple[str, Place, int]], place: Place, token: _Token) -> Place:
        if not around or around[-1][0] != "[" or place != around[-1][1]:
            return place
        bracket, within, last = around[-1]
        around[-1] = (bracket, within, last + 1)
        self.lines.setdefault((*within, last + 1), token.line)
        return (*within, last + 1)


def _part(token: _Token) -> str:
    return str(tomllib.loads(f"key = {token.text}")["key"]) if token.kind == "text" else token.text
