"""Which line of a TOML text each key stands on: the parser does not tell, and a refusal without a line is half a help.

The text has been read by tomllib already, so it is valid TOML, and a lenient walk over its tokens is enough.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field

from chalicelib.pipeline.refusals import Place
from chalicelib.pipeline.tokens import Token, tokens


def find_line(lines: dict[Place, int], place: Place) -> int | None:
    """Give the line of a key, or of the nearest table around it; None where the text names neither."""
    for length in range(len(place), 0, -1):
        if place[:length] in lines:
            return lines[place[:length]]
    return None


def key_lines(text: str) -> dict[Place, int]:
    """Give the line (from 1) of every key, table and list item."""
    return _Walk(tokens(text)).run()


@dataclass(slots=True)
class _Open:
    """A bracket that is open: the place of its list or table, and the position of the list's latest item."""

    bracket: str
    place: Place
    latest: int = -1


@dataclass(slots=True)
class _Walk:
    tokens: Iterator[Token]
    lines: dict[Place, int] = field(default_factory=dict)
    tables: dict[Place, int] = field(default_factory=dict)
    """The position of the latest table of each list of tables."""

    def run(self) -> dict[Place, int]:
        table: Place = ()
        for token in self.tokens:
            if token.mark == "[":
                table = self._header(token.line)
            elif token.word:
                self._value(self._key(table, token))
        return self.lines

    def _header(self, line: int) -> Place:
        parts: list[str] = []
        listed = False
        for token in self.tokens:
            if token.kind == "newline":
                break
            listed = listed or token.mark == "["
            if token.word:
                parts.append(_part(token))
        place: Place = ()
        for number, part in enumerate(parts, 1):
            place = (*place, part)
            self.lines.setdefault(place, line)
            if listed and number == len(parts):
                self.tables[place] = self.tables.get(place, -1) + 1
            if place in self.tables:
                place = (*place, self.tables[place])
                self.lines.setdefault(place, line)
        return place

    def _key(self, table: Place, first: Token) -> Place:
        """Read a dotted key to its `=`."""
        place: Place = (*table, _part(first))
        for token in self.tokens:
            if token.mark == "=":
                break
            if token.word:
                self.lines.setdefault(place, first.line)
                place = (*place, _part(token))
        self.lines.setdefault(place, first.line)
        return place

    def _value(self, place: Place) -> None:
        """Walk one value to its end: the newline outside all brackets."""
        around: list[_Open] = []
        for token in self.tokens:
            if token.kind == "newline":
                if not around:
                    return
            elif token.mark in {"]", "}"}:
                place = around.pop().place
            elif token.mark == ",":
                place = around[-1].place
            elif token.word and around and around[-1].bracket == "{" and place == around[-1].place:
                place = self._key(place, token)
            else:
                place = self._item(around, place, token.line)
                if token.mark in {"[", "{"}:
                    around.append(_Open(token.mark, place))

    def _item(self, around: list[_Open], place: Place, line: int) -> Place:
        """Count a list's next item, if this is where one begins."""
        if not around or around[-1].bracket == "{" or place != around[-1].place:
            return place
        around[-1].latest += 1
        item = (*place, around[-1].latest)
        self.lines.setdefault(item, line)
        return item


def _part(token: Token) -> str:
    return str(tomllib.loads(f"key = {token.text}")["key"]) if token.kind == "text" else token.text
