"""Lists as SageMaker gives them: filtered, sorted, paged by a token that later writes do not shift."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dropforge.local.sagemaker.store import Doc, Store
from dropforge.local.sagemaker.wire import refusals

_COLUMNS = {
    "Name": "name",
    "CreationTime": "created",
    "Status": "status",
    "LastModifiedTime": "modified",
}
_DEFAULT_LENGTH = 10
# Each filter of the List operations, and what it says of a column; clients keep times to the microsecond.
_FILTERS = {
    "NameContains": "instr(lower(name), lower(?)) > 0",
    "StatusEquals": "status = ?",
    "CreationTimeAfter": "round(created, 6) > ?",
    "CreationTimeBefore": "round(created, 6) < ?",
    "LastModifiedTimeAfter": "round(modified, 6) > ?",
    "LastModifiedTimeBefore": "round(modified, 6) < ?",
}


@dataclass(frozen=True, slots=True)
class Ask:
    """What to list: the kind, the request, its defaults, and conditions of the operation's own."""

    kind: str
    request: Mapping[str, Any]
    sort_by: str = "CreationTime"
    descending: bool = True
    conditions: Sequence[tuple[str, Any]] = field(default=())
    at_once: bool = False
    """Whether CreationTimeAfter finds what was made at that very time, too, as it does for all of hosting."""


def page(store: Store, ask: Ask) -> tuple[list[Doc], dict[str, str]]:
    """Give one page, and the next token as the answer carries it. A page goes on after the last thing given."""
    sort = _COLUMNS[str(ask.request.get("SortBy", ask.sort_by))]
    direction, sign = ("DESC", "<") if _descending(ask) else ("ASC", ">")
    of = f"{ask.kind} {sort} {direction}"
    where, values = ["kind = ?"], [ask.kind]
    for condition, value in [*ask.conditions, *_filters(ask)]:
        where.append(condition)
        values.append(value)
    if given := ask.request.get("NextToken"):
        where.append(f"({sort}, name) {sign} (?, ?)")
        values += read_token(given, of)
    limit = int(ask.request.get("MaxResults", _DEFAULT_LENGTH))
    if limit < 1:  # SageMaker's model says so itself, that of Application Auto Scaling does not
        raise refusals.BAD_LENGTH()
    found = store.select(" AND ".join(where), values, f"{sort} {direction}, name {direction}", limit + 1)
    if len(found) <= limit:
        return [row.doc for row in found], {}
    last = found[limit - 1]
    return [row.doc for row in found[:limit]], {"NextToken": token(getattr(last, sort), last.name, of)}


def _descending(ask: Ask) -> bool:
    order = ask.request.get("SortOrder")
    return ask.descending if order is None else order == "Descending"


def _filters(ask: Ask) -> list[tuple[str, Any]]:
    filters = _FILTERS | ({"CreationTimeAfter": "round(created, 6) >= ?"} if ask.at_once else {})
    return [(condition, ask.request[name]) for name, condition in filters.items() if ask.request.get(name) is not None]


def token(value: str | float, name: str, of: str) -> str:
    """Make a token; `of` says which list it is of, and how that is sorted."""
    return base64.urlsafe_b64encode(json.dumps([value, name, of]).encode()).decode()


def read_token(given: str, of: str) -> list[Any]:
    """Read a token: the value that was sorted by, and the name, of the last thing given."""
    try:
        value, name, told = json.loads(base64.urlsafe_b64decode(given))
        f"{value}{name}".encode()  # half a character can be no part of what was given
    except (ValueError, TypeError, RecursionError) as error:
        raise refusals.BAD_TOKEN() from error
    if told != of or not isinstance(value, str | float) or not isinstance(name, str):
        raise refusals.BAD_TOKEN()
    return [value, name]
