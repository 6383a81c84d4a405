"""DynamoDB: one table with indexes that lag behind it; conditions, transactions and sizes as DynamoDB has them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from tests.proof.cloud.conditions import holds, plain
from tests.proof.cloud.errors import refusal

Clock = Callable[[], float]
Item = dict[str, dict[str, Any]]
Key = tuple[str, str]

ITEM_LIMIT = 400 * 1024
ANSWER_LIMIT = 1024 * 1024
INDEXES = {"open": ("open_kind", "due"), "by_pipeline": ("of_pipeline", "created"), "by_month": ("month", "created")}
_EQUAL = re.compile(r"(#?\w+) = (:\w+)")
LAG = 1.0
"""Seconds for which an index may still show what an item was before."""


class Dynamodb:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.items: dict[Key, Item] = {}
        self._before: dict[Key, tuple[float, Item | None]] = {}
        """What lately written items were before, and when they were written: what the indexes may still show."""
        self.written: list[tuple[Key, Item | None]] = []
        """Every write, in the order in which they came, whatever the clocks of workers say."""
        self._done: dict[str, list[dict[str, Any]]] = {}
        """Transactions that went through, by their tokens: asked again with the same, they are done."""

    def copy(self, clock: Clock) -> Dynamodb:
        made = Dynamodb(clock)
        made.items, made._before, made._done = dict(self.items), dict(self._before), dict(self._done)
        made.written = list(self.written)
        return made

    def get_item(self, asked: dict[str, Any]) -> dict[str, Any]:
        found = self.items.get(_key(asked["Key"]))
        return {} if found is None else {"Item": found}

    def put_item(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._check(asked, _key(asked["Item"]))
        self._put(asked)
        return {}

    def delete_item(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._check(asked, _key(asked["Key"]))
        self._write(_key(asked["Key"]), None)
        return {}

    def transact_write_items(self, asked: dict[str, Any]) -> dict[str, Any]:
        parts = [next(iter(each.items())) for each in asked["TransactItems"]]
        keys = [_key(about["Item"] if kind == "Put" else about["Key"]) for kind, about in parts]
        if len(set(keys)) != len(keys) or len(keys) > 100:
            raise refusal(
                "ValidationException", "Transaction request cannot include multiple operations on one item", "Transact"
            )
        token = asked["ClientRequestToken"]
        if token in self._done:
            if self._done[token] != asked["TransactItems"]:
                raise refusal("IdempotentParameterMismatchException", "The token was used for other items", "Transact")
            return {}
        reasons = [self._reason(about, key) for (_, about), key in zip(parts, keys, strict=True)]
        if any(reason["Code"] != "None" for reason in reasons):
            raise refusal(
                "TransactionCanceledException", "Transaction cancelled", "Transact", CancellationReasons=reasons
            )
        for (kind, about), key in zip(parts, keys, strict=True):
            match kind:
                case "Put":
                    self._put(about)
                case "Delete":
                    self._write(key, None)
                case "ConditionCheck":
                    pass
                case _:
                    raise NotImplementedError(kind)
        self._done[token] = asked["TransactItems"]
        return {}

    def query(self, asked: dict[str, Any]) -> dict[str, Any]:
        index = asked.get("IndexName")
        if index and asked.get("ConsistentRead"):
            raise refusal("ValidationException", "Consistent reads are not supported on global secondary indexes")
        sort = INDEXES[index][1] if index else "sk"
        name = INDEXES[index][0] if index else "pk"
        partition = _partition(asked, name)
        found = [item for item in self._seen(index) if item[name] == partition]
        found = [item for item in found if holds(asked["KeyConditionExpression"], item, asked)]
        found.sort(key=lambda item: _order(item, sort), reverse=not asked.get("ScanIndexForward", True))
        if start := asked.get("ExclusiveStartKey"):
            found = _after(found, start, sort, forward=asked.get("ScanIndexForward", True))
        return self._page(found, asked, index)

    def _page(self, found: list[Item], asked: dict[str, Any], index: str | None) -> dict[str, Any]:
        names = ("pk", "sk", *(INDEXES[index] if index else ()))
        given: list[Item] = []
        size = 0
        for item in found:
            if len(given) == asked.get("Limit", len(found)) or size > ANSWER_LIMIT:
                return {"Items": given, "LastEvaluatedKey": {name: given[-1][name] for name in names}}
            size += _size(item)
            given.append({name: item[name] for name in names} if index == "open" else item)
        if "FilterExpression" in asked:
            given = [item for item in given if holds(asked["FilterExpression"], item, asked)]
        return {"Items": given, "Count": len(given)}

    def _seen(self, index: str | None) -> list[Item]:
        """Give what a query looks through: an index shows what was written a moment ago as it was before."""
        if index is None:
            return list(self.items.values())
        partition, sort = INDEXES[index]
        shown, now = dict(self.items), self.clock()
        for key, (at, before) in self._before.items():
            if now < at + LAG:
                if before is None:
                    shown.pop(key, None)
                else:
                    shown[key] = before
        return [item for item in shown.values() if partition in item and sort in item]

    def _reason(self, asked: dict[str, Any], key: Key) -> dict[str, str]:
        try:
            self._check(asked, key)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
        return {"Code": "None"}

    def _check(self, asked: dict[str, Any], key: Key) -> None:
        if "Item" in asked and _size(asked["Item"]) > ITEM_LIMIT:
            raise refusal("ValidationException", "Item size has exceeded the maximum allowed size", "PutItem")
        if "ConditionExpression" in asked and not holds(asked["ConditionExpression"], self.items.get(key, {}), asked):
            raise refusal("ConditionalCheckFailedException", "The conditional request failed", "PutItem")

    def _put(self, asked: dict[str, Any]) -> None:
        self._write(_key(asked["Item"]), asked["Item"])

    def _write(self, key: Key, item: Item | None) -> None:
        self._before[key] = (self.clock(), self.items.get(key))
        self.written.append((key, item))
        if item is None:
            self.items.pop(key, None)
        else:
            self.items[key] = item


def _key(item: Item) -> Key:
    return item["pk"]["S"], item["sk"]["S"]


def _partition(asked: dict[str, Any], key: str) -> dict[str, Any]:
    """Read which partition is asked for: DynamoDB takes no query that does not name one."""
    names = asked.get("ExpressionAttributeNames", {})
    for name, value in _EQUAL.findall(asked["KeyConditionExpression"]):
        if names.get(name, name) == key:
            return dict(asked["ExpressionAttributeValues"][value])
    raise refusal("ValidationException", f"Query condition missed key schema element: {key}")


def _order(item: Item, sort: str) -> tuple[Any, ...]:
    return plain(item[sort]), item["pk"]["S"], item["sk"]["S"]


def _after(found: list[Item], start: Item, sort: str, *, forward: bool) -> list[Item]:
    place = _order(start, sort)
    return [item for item in found if (_order(item, sort) > place if forward else _order(item, sort) < place)]


def _size(item: Item) -> int:
    return sum(len(name) + len(str(next(iter(value.values())))) for name, value in item.items())
