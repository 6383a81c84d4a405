"""Our own events in the table: what waits to be published, and what was, a partition for each day. See items.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from chalicelib.aws import items
from chalicelib.aws.errors import translated
from chalicelib.aws.listing import read_token, write_token
from chalicelib.errors import InvalidError
from chalicelib.news import News, Told
from chalicelib.ports import Clock, Page

_AT_ONCE = 25
"""News moved in one transaction: two writes each, and one may have a hundred."""
_CLOCKS = 300.0
"""Seconds by which clocks may differ."""
_DAY = 86_400.0
_POSITION = re.compile(r"[0-9]{10}\.[0-9]{6}#[0-9a-f.#]*")


class EventLog:
    def __init__(self, client: Callable[[], Any], table: str, clock: Clock) -> None:
        self._client = client
        self._table = table
        self._clock = clock

    def waiting(self, after: News | None, limit: int) -> tuple[News, ...]:
        start = items.outbox_key(after).sk if after else "0"
        found = self._query(items.OUTBOX, start, batch=limit, ConsistentRead=True)
        return tuple(items.read_item(item, News) for item in islice(found, limit))

    def moved(self, news: Sequence[News]) -> None:
        now = self._clock()
        for first in range(0, len(news), _AT_ONCE):
            writes = chain.from_iterable(self._move(each, now) for each in news[first : first + _AT_ONCE])
            with translated():
                self._client().transact_write_items(TransactItems=list(writes))

    def page(self, since: float | None, after: str | None, limit: int) -> Page[Told]:
        now = self._clock()
        if after is None and since is None:
            found, start = self._newest(now, limit), items.position(now)
        else:
            start = _read_position(after) if after is not None else items.position(since or 0.0)
            found = tuple(islice(self._after(start, now, limit), limit))
        last = found[-1]["sk"]["S"] if found else start
        return Page(tuple(items.read_item(item, Told) for item in found), write_token([last]))

    def _move(self, news: News, now: float) -> Iterator[dict[str, Any]]:
        yield {"Delete": {"TableName": self._table, "Key": items.outbox_key(news).item}}
        yield {"Put": {"TableName": self._table, "Item": items.told_item(Told(now, news))}}

    def _newest(self, now: float, limit: int) -> tuple[items.Item, ...]:
        last = now + _CLOCKS
        days = dict.fromkeys(items.day_of(at) for at in _steps(last, last - items.TOLD_SECONDS))
        found = chain.from_iterable(
            self._query(items.told_partition(day), "0", batch=limit, ScanIndexForward=False) for day in days
        )
        return tuple(reversed(tuple(islice(found, limit))))

    def _after(self, start: str, now: float, limit: int) -> Iterator[items.Item]:
        begin = max(float(start.partition("#")[0]), now - items.TOLD_SECONDS)
        for day in sorted({items.day_of(at) for at in _steps(now + _CLOCKS, begin)}):
            yield from self._query(items.told_partition(day), start, batch=limit)

    def _query(self, partition: str, start: str, *, batch: int, **how: Any) -> Iterator[items.Item]:
        key: items.Item | None = None
        while True:
            with translated():
                answer = self._client().query(
                    TableName=self._table,
                    KeyConditionExpression="pk = :pk AND sk > :start",
                    ExpressionAttributeValues={":pk": {"S": partition}, ":start": {"S": start}},
                    Limit=batch,
                    **how,
                    **({"ExclusiveStartKey": key} if key else {}),
                )
            yield from answer["Items"]
            key = answer.get("LastEvaluatedKey")
            if not key:
                return


def _steps(last: float, first: float) -> Iterator[float]:
    """Step back from the last moment day by day, down to the first."""
    at = last
    while at > first:
        yield at
        at -= _DAY
    yield min(first, last)


def _read_position(token: str) -> str:
    parts = read_token(token)
    if len(parts) != 1 or not _POSITION.fullmatch(parts[0]):
        raise InvalidError("That `next` is not one that this list gave.", token=token)
    return parts[0]
