"""The query string of a list route: a limit, a token to go on with, filters; anything else is refused by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from chalice.app import Request

from chalicelib.errors import InvalidError
from chalicelib.names import is_pipeline

LIMIT = 50
LIMIT_MOST = 100
_LIMIT_DIGITS = len(str(LIMIT_MOST))
TOKEN_LIMIT = 8192
"""Characters of a token; the gateway takes 10,240 bytes of request line and headers."""
State = TypeVar("State", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Query:
    """What a client asked a list for; `after` is the token that a list gave, which the records alone can read."""

    limit: int = LIMIT
    after: str | None = None
    filters: Mapping[str, str] = field(default_factory=dict)


def read(request: Request, *filters: str) -> Query:
    """Read `limit`, `next` and the named filters; InvalidError says what is wrong and what is allowed."""
    given = _once(request)
    _refuse_unknown(given, ("limit", "next", *filters))
    return Query(_limit(given.get("limit")), _after(given.get("next")), {f: given[f] for f in filters if f in given})


def none(request: Request) -> None:
    """Refuse a query string where a route takes none."""
    given = _once(request)
    if given:
        raise InvalidError(f'There is no parameter "{next(iter(given))}" here; this route takes none.')


def pipeline(name: str | None) -> str | None:
    if name is not None and not is_pipeline(name):
        raise InvalidError('"pipeline" is no name of a pipeline: a-z, 0-9 and single hyphens between them, at most 20.')
    return name


def state(kind: type[State], text: str | None) -> State | None:
    try:
        return None if text is None else kind(text)
    except ValueError as error:
        raise InvalidError(f'There is no state "{text}"; there are {", ".join(kind)}.') from error


def _once(request: Request) -> dict[str, str]:
    given = request.query_params
    if given is None:
        return {}
    twice = [name for name in given if len(given.getlist(name)) > 1]
    if twice:
        raise InvalidError(f'"{twice[0]}" is given more than once.')
    return {name: given[name] for name in given}


def _refuse_unknown(given: Iterable[str], known: tuple[str, ...]) -> None:
    for name in given:
        if name not in known:
            raise InvalidError(f'There is no parameter "{name}" here; there are {", ".join(known)}.')


def _limit(text: str | None) -> int:
    if text is None:
        return LIMIT
    if not (text.isascii() and text.isdigit() and len(text) <= _LIMIT_DIGITS and 1 <= int(text) <= LIMIT_MOST):
        raise InvalidError(f'"limit" is a whole number from 1 to {LIMIT_MOST}.')
    return int(text)


def _after(text: str | None) -> str | None:
    if text is not None and not 1 <= len(text) <= TOKEN_LIMIT:
        raise InvalidError('"next" is not a token that a list gave.')
    return text
