"""The tokens of a TOML text, each with its line; linear in the text's length, whatever stands in it.

Agrees with tomllib up to the first error of a text. Strings that do not end are taken to the end of line or text:
tomllib refuses them, and going back to look for another reading is what would make a hostile text slow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r'''
      (?P<text> """(?:[^"\\]|\\.|\\\Z|"(?!""))*+"{0,5} | \'\'\'(?:[^']|'(?!''))*+'{0,5}
              | "(?:[^"\\\n]|\\[^\n])*+"? | '[^'\n]*+'? )
    | (?P<comment> \#[^\n]*+ )
    | (?P<newline> \n )
    | (?P<mark> [][{}=,.] )
    | (?P<bare> [^\s"'\#\[\]{}=,.]++ )
    ''',
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A `mark` (one of `[]{}=,.`), a `newline`, a `bare` word or a quoted `text`."""

    kind: str
    text: str
    line: int

    @property
    def word(self) -> bool:
        return self.kind in {"bare", "text"}

    @property
    def mark(self) -> str:
        return self.text if self.kind == "mark" else ""


def tokens(text: str) -> Iterator[Token]:
    """Give all tokens but comments."""
    line = 1
    for found in _TOKEN.finditer(text):
        kind = found.lastgroup or ""
        if kind != "comment":
            yield Token(kind, found[0], line)
        line += found[0].count("\n")


def depth(text: str) -> int:
    """Give how deeply brackets are nested, or how many parts the longest dotted key has: the larger of the two."""
    opened = dots = deepest = 0
    before = ""
    for token in tokens(text):
        opened += (token.mark in {"[", "{"}) - (token.mark in {"]", "}"})
        dots = dots + 1 if token.mark == "." else dots if token.word and before == "." else 0
        deepest = max(deepest, opened, dots + 1)
        before = token.mark
    return deepest
