"""How far back a command looks: `--since 15m`."""

from __future__ import annotations

import re
from typing import Annotated

import typer

_SPAN = re.compile(r"(?P<count>[0-9]{1,6})(?P<unit>[smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def is_span(text: str) -> bool:
    return _SPAN.fullmatch(text) is not None


def _checked(text: str) -> str:
    if not is_span(text):
        raise typer.BadParameter(f"{text!r} is no span of time such as 90s, 15m, 2h or 3d.")
    return text


Since = Annotated[str, typer.Option("--since", metavar="SPAN", parser=_checked, help="How far back: 15m, 2h, 3d, …")]


def seconds(span: str) -> int:
    """Read a span of time: `15m` is 900."""
    count, unit = span[:-1], span[-1]
    return int(count) * _SECONDS[unit]
