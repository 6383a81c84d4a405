"""Lists over the table's indexes: pages that new items never shift, tokens that say nothing, reads that are bounded."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.aws.errors import translated
from chalicelib.aws.items import Item, month_of
from chalicelib.errors import InvalidError

MONTHS = 24
"""How far a list without a pipeline goes back: each month is a partition of its own, read newest first."""
READ_LIMIT = 1000
"""Items that one page may read to find those of a state."""
_DAY = 86_400

Query = Callable[..., dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Index:
    name: str
    partition: str
    """The attribute whose value picks the partition."""


BY_PIPELINE = Index("by_pipeline", "of_pipeline")
BY_MONTH = Index("by_month", "month")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: the partition of the index, and the three other key attributes of the last item."""

    partition: str
    created: str
    pk: str
    sk: str


def last_months(kind: str, now: float) -> tuple[str, ...]:
    """Name the partitions of the last months, newest first; a day ahead of now, for clocks that differ."""
    year, month = (int(part) for part in month_of(now + _DAY).split("-"))
    serials = (year * 12 + month - 1 - back for back in range(MONTHS + 1))
    return tuple(f"{kind}#{serial // 12:04}-{serial % 12 + 1:02}" for serial in serials)


def list_page(
    query: Query,
    index: Index,
    partitions: Sequence[str],
    *,
    state: str | None = None,
    after: str | None = None,
    limit: int = 50,
    descending: bool = True,
) -> tuple[tuple[Item, ...], str | None]:
    """Read one page across the partitions, in their order; gives the items and the token that continues."""
    start = _read(after, partitions)
    budget = READ_LIMIT if state else limit + 1
    found: list[Item] = []
    last: Item | None = None
    for last in _walk(query, index, partitions, start, batch=min(budget, 250), descending=descending):
        if state is None or last["state"]["S"] == state:
            found.append(last)
        budget -= 1
        if len(found) > limit:
            return tuple(found[:limit]), _write(index, found[limit - 1])
        if budget == 0:
            return tuple(found), _write(index, last)
    return tuple(found), None


def _walk(
    query: Query, index: Index, partitions: Sequence[str], start: Place | None, *, batch: int, descending: bool
) -> Iterator[Item]:
    for partition in partitions[partitions.index(start.partition) if start else 0 :]:
        key = _exclusive_start(index, start) if start and start.partition == partition else None
        while True:
            more = {"ExclusiveStartKey": key} if key else {}
            with translated():
                answer = query(
                    IndexName=index.name,
                    KeyConditionExpression="#partition = :partition",
                    ExpressionAttributeNames={"#partition": index.partition},
                    ExpressionAttributeValues={":partition": {"S": partition}},
                    ScanIndexForward=not descending,
                    Limit=batch,
                    **more,
                )
            yield from answer["Items"]
            key = answer.get("LastEvaluatedKey")
            if not key:
                break


def _exclusive_start(index: Index, place: Place) -> Item:
    values = {index.partition: place.partition, "created": place.created, "pk": place.pk, "sk": place.sk}
    return {name: {"S": value} for name, value in values.items()}


def _write(index: Index, item: Item) -> str:
    return write_token([item[name]["S"] for name in (index.partition, "created", "pk", "sk")])


def _read(token: str | None, partitions: Sequence[str]) -> Place | None:
    if token is None:
        return None
    parts = read_token(token)
    if len(parts) != len(Place.__slots__) or parts[0] not in partitions:
        raise InvalidError("That `next` is not one that this list gave.", token=token)
    return Place(*parts)


def write_token(parts: Sequence[str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(list(parts)).encode()).decode().rstrip("=")


def read_token(token: str) -> list[str]:
    """Give the parts back; InvalidError for anything that `write_token` has not written."""
    try:
        parts = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (binascii.Error, UnicodeError, ValueError, RecursionError) as error:
        raise InvalidError("That `next` is not one that a list gave.", token=token) from error
    if not isinstance(parts, list) or not all(isinstance(part, str) and part for part in parts):
        raise InvalidError("That `next` is not one that a list gave.", token=token)
    return parts
