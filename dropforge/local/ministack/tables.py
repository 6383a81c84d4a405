"""DynamoDB keeps what it has accepted: every changed item is in the journal before its answer goes out.

Written down is what a request left behind (the items as they are now), not what it asked for: conditions, times and
tokens need not come out the same again, and reading a line twice does no harm. One line holds all of one request, so
that a transaction is there whole or not at all. What changes more than items (a table is made, a backup restored) is
answered when a snapshot has it; so is the first write to a table that no snapshot has yet.
"""

from __future__ import annotations

import contextvars
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from dropforge.local.ministack.journal import Journal

_ITEMS_ONLY = {
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "BatchWriteItem",
    "TransactWriteItems",
    "TransactGetItems",
    "ExecuteStatement",
    "BatchExecuteStatement",
    "ExecuteTransaction",
    "SearchVectors",
}
_READS = ("Get", "List", "Describe", "Query", "Scan", "BatchGet")
_LOST = {"__type": "InternalServerError", "message": "The local cloud could not write this down; is its disk full?"}

Table = dict[str, Any]
Identity = tuple[str, str]
Touched = dict[tuple[str, str, str], Table]
_touched: contextvars.ContextVar[Touched | None] = contextvars.ContextVar("_touched", default=None)

logger = logging.getLogger(__name__)


class Tables:
    """Stands between ministack's DynamoDB and its callers."""

    def __init__(self, journal: Journal, save: Callable[[], Awaitable[None]]) -> None:
        """Write to `journal`; `save` returns when a snapshot is on disk that has all that is so now."""
        from ministack.services import dynamodb

        self._dynamodb = dynamodb
        self._journal = journal
        self._save = save
        self._saved: set[Identity] = set()
        self._set, self._remove = dynamodb._set_item, dynamodb._remove_item  # noqa: SLF001  all items change there
        self._answer = dynamodb.handle_request

    def restore(self, since: int) -> int:
        """Do again what the loaded snapshot does not have; gives how many requests that were."""
        done = 0
        for changes in self._journal.replay(since):
            for arn, identity, partition, sort, item in changes:
                self._put(arn, identity, partition, sort, item)
            done += 1
        return done

    def begin(self) -> None:
        """Take DynamoDB's place, once what it had is there again."""
        self.saved(self._dynamodb._tables)  # noqa: SLF001  what was loaded
        self._dynamodb._set_item = self._on_set  # noqa: SLF001  all items change there
        self._dynamodb._remove_item = self._on_remove  # noqa: SLF001  see above
        self._dynamodb.handle_request = self._on_request

    def end(self) -> None:
        self._dynamodb._set_item, self._dynamodb._remove_item = self._set, self._remove  # noqa: SLF001  as before
        self._dynamodb.handle_request = self._answer

    def saved(self, tables: Any) -> None:
        """Hear which tables the newest snapshot has."""
        self._saved = {_identity(table) for _, table in tables.all_items()}

    def _put(self, arn: str, identity: str, partition: str, sort: str, item: Any) -> None:
        _, _, _, region, account, name = arn.split(":", 5)
        table = self._dynamodb._tables.get_scoped(account, region, name.removeprefix("table/"))  # noqa: SLF001  no other way to a table
        if table is None or _identity(table) != (arn, identity):
            return  # it was deleted afterwards
        if item is None:
            self._remove(table, partition, sort)
        else:
            self._set(table, partition, sort, item)

    def _on_set(self, table: Table, partition: str, sort: str, item: Any) -> Any:
        before = self._set(table, partition, sort, item)
        self._touch(table, partition, sort)
        return before

    def _on_remove(self, table: Table, partition: str, sort: str) -> Any:
        before = self._remove(table, partition, sort)
        self._touch(table, partition, sort)
        return before

    def _touch(self, table: Table, partition: str, sort: str) -> None:
        touched, arn = _touched.get(), table["TableArn"]
        if touched is None:
            # Nobody asked for it over HTTP: an item's time to live has ended, or another service wrote it.
            self._note({(arn, partition, sort): table})
        else:
            touched[arn, partition, sort] = table

    async def _on_request(self, method: str, path: str, headers: Mapping[str, str], body: bytes, query: Any) -> Any:
        touched: Touched = {}
        token = _touched.set(touched)
        try:
            answer = await self._answer(method, path, headers, body, query)
        finally:
            _touched.reset(token)
            noted = self._note(touched)
        if not noted or not await self._is_kept(headers, answer[0], touched.values()):
            return 500, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(_LOST).encode()
        return answer

    def _note(self, touched: Touched) -> bool:
        """Write down how the touched items are now; nothing else ran since they were touched."""
        changes = [
            [arn, _identity(table)[1], partition, sort, table["items"].get(partition, {}).get(sort)]
            for (arn, partition, sort), table in touched.items()
        ]
        try:
            if changes:
                self._journal.append(changes)
        except OSError:
            logger.exception("%d changes of items could not be written down", len(changes))
            return False
        return True

    async def _is_kept(self, headers: Mapping[str, str], status: int, tables: Iterable[Table]) -> bool:
        made_more = status == 200 and not _leaves_tables(headers.get("x-amz-target", ""))  # noqa: PLR2004  HTTP's OK
        if not made_more and all(_identity(table) in self._saved for table in tables):
            return True
        try:
            await self._save()
        except OSError:
            logger.exception("a table could not be written down")
            return False
        return True


def _identity(table: Table) -> Identity:
    """A table made again under the same name is another one."""
    return str(table["TableArn"]), str(table.get("TableId"))


def _leaves_tables(target: str) -> bool:
    operation = target.rpartition(".")[2]
    return operation in _ITEMS_ONLY or operation.startswith(_READS)
