"""The one table, in DynamoDB. Shapes: items.py; lists: listing.py; why so: docs/decisions/0001-one-table.md."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from chalicelib.aws import items
from chalicelib.aws.clients import Clients, shared
from chalicelib.aws.errors import translated
from chalicelib.aws.eventlog import EventLog
from chalicelib.aws.listing import BY_MONTH, BY_PIPELINE, last_months, list_page, read_token, write_token
from chalicelib.errors import ConflictError, InvalidError
from chalicelib.model import (
    EVERYTHING,
    Dataset,
    DatasetId,
    DatasetState,
    Entry,
    Pause,
    PipelineRecord,
    Release,
    Run,
    RunState,
    Serving,
)
from chalicelib.news import News, Origin, Told, tell
from chalicelib.ports import Clock, Page, Stored
from chalicelib.settings import Settings

Value = TypeVar("Value")

_UNLESS_LIVE = {
    # The document is written without spaces, and a quote within one of its texts stands behind a backslash.
    "ConditionExpression": "attribute_not_exists(pk) OR contains(doc, :not_live)",
    "ExpressionAttributeValues": {":not_live": {"S": '"live":false'}},
}


class Records:
    def __init__(self, settings: Settings, clients: Clients | None = None, clock: Clock = time.time) -> None:
        self._clients = clients or shared(settings.region)
        self._table = settings.table
        self._clock = clock
        self._origin = Origin(settings.names.deployment, settings.stage, settings.bucket)
        self._log = EventLog(lambda: self._dynamodb, settings.table, clock)
        self._unsent: set[str] = set()

    def dataset(self, dataset: DatasetId) -> Dataset | None:
        return self._get(items.dataset_key(dataset), Dataset)

    def run(self, run: str) -> Run | None:
        return self._get(items.run_key(run), Run)

    def release(self, pipeline: str) -> Release | None:
        return self._get(items.release_key(pipeline), Release)

    def pipeline(self, name: str) -> PipelineRecord | None:
        return self._get(items.pipeline_key(name), PipelineRecord)

    def save(self, item: Stored, *entries: Entry) -> Stored:
        saved, news = tell(replace(item, rev=item.rev + 1), self._clock(), self._origin)
        put = {"TableName": self._table, "Item": items.machine_item(saved)} | _unchanged_since(item.rev)
        subject = items.subject_of(items.key_of(item).pk)
        lines: list[dict[str, Any]] = [
            {"TableName": self._table, "Item": items.line_item(items.line_key(subject, entry, place), entry)}
            for place, entry in enumerate(entries)
        ]
        lines += [{"TableName": self._table, "Item": items.news_item(each)} for each in news]
        with translated():
            if lines:
                self._dynamodb.transact_write_items(TransactItems=[{"Put": each} for each in (put, *lines)])
            else:  # a transaction of one costs twice as much
                self._dynamodb.put_item(**put)
        self._unsent.update(each.id for each in news)
        return saved

    def note(self, subject: str, entry: Entry) -> None:
        self._put(items.line_item(items.line_key(subject, entry), entry))

    def timeline(self, subject: str, *, after: str | None = None, limit: int = 100) -> Page[Entry]:
        start = _read_line(after) if after is not None else None
        found: list[items.Item] = []
        for line in self._partition(items.partition_of(subject), "at#", after=start, batch=limit + 1):
            if len(found) == limit:
                entries = tuple(items.read_item(each, Entry) for each in found)
                return Page(entries, write_token([found[-1]["sk"]["S"]]))
            found.append(line)
        return Page(tuple(items.read_item(each, Entry) for each in found))

    def serving(self, pipeline: str) -> Serving | None:
        return self._get(items.serving_key(pipeline), Serving)

    def serve(self, serving: Serving) -> None:
        self._put(items.plain_item(items.serving_key(serving.pipeline), serving))

    def offer(self, serving: Serving) -> None:
        item = items.plain_item(items.serving_key(serving.pipeline), serving)
        with suppress(ConflictError), translated():
            self._dynamodb.put_item(TableName=self._table, Item=item, **_UNLESS_LIVE)

    def withdraw(self, pipeline: str) -> None:
        key = items.serving_key(pipeline)
        with suppress(ConflictError), translated():
            self._dynamodb.delete_item(TableName=self._table, Key=key.item, **_UNLESS_LIVE)

    def point(self, run: str, dataset: DatasetId) -> None:
        self._put(items.plain_item(items.pointing_key(run, dataset), str(dataset)))

    def unpoint(self, run: str, dataset: DatasetId) -> None:
        self._delete(items.pointing_key(run, dataset))

    def pointing(self, run: str) -> tuple[DatasetId, ...]:
        found = self._partition(items.run_key(run).pk, "dataset#")
        return tuple(DatasetId(*items.read_item(item, str).split("/", 1)) for item in found)

    def due(self, kind: str, before: float, *, limit: int) -> tuple[str, ...]:
        with translated():
            answer = self._dynamodb.query(
                TableName=self._table,
                IndexName="open",
                KeyConditionExpression="open_kind = :kind AND due <= :before",
                ExpressionAttributeValues={":kind": {"S": kind}, ":before": {"N": repr(before)}},
                Limit=limit,
            )
        return tuple(items.subject_of(item["pk"]["S"]) for item in answer["Items"])

    def datasets(
        self,
        *,
        pipeline: str | None = None,
        state: DatasetState | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Page[Dataset]:
        return self._newest("dataset", Dataset, pipeline, state, after, limit)

    def runs(
        self, *, pipeline: str | None = None, state: RunState | None = None, after: str | None = None, limit: int = 50
    ) -> Page[Run]:
        return self._newest("run", Run, pipeline, state, after, limit)

    def pipelines(self, *, after: str | None = None, limit: int = 50) -> Page[PipelineRecord]:
        found, token = list_page(self._query, BY_PIPELINE, ("pipeline#",), after=after, limit=limit, descending=False)
        return Page(tuple(items.read_item(item, PipelineRecord) for item in found), token)

    def cursor(self, name: str) -> str:
        return self._get(items.cursor_key(name), str) or ""

    def move_cursor(self, name: str, to: str) -> None:
        self._put(items.plain_item(items.cursor_key(name), to))

    def outbox(self, *, after: News | None = None, limit: int = 100) -> tuple[News, ...]:
        return self._log.waiting(after, limit)

    def unsent(self) -> frozenset[str]:
        taken, self._unsent = self._unsent, set()
        return frozenset(taken)

    def published(self, news: Sequence[News]) -> None:
        self._log.moved(news)

    def events(self, *, since: float | None = None, after: str | None = None, limit: int = 50) -> Page[Told]:
        return self._log.page(since, after, limit)

    def pause(self, pause: Pause, entry: Entry) -> None:
        item = items.plain_item(items.pause_key(pause.scope), pause, paused_at={"N": repr(pause.command.at)})
        self._with_line({"Put": {"TableName": self._table, "Item": item} | _unchanged_since(0)}, pause.scope, entry)

    def unpause(self, pause: Pause, entry: Entry) -> None:
        delete = {
            "TableName": self._table,
            "Key": items.pause_key(pause.scope).item,
            "ConditionExpression": "paused_at = :at",
            "ExpressionAttributeValues": {":at": {"N": repr(pause.command.at)}},
        }
        self._with_line({"Delete": delete}, pause.scope, entry)

    def paused(self, pipeline: str) -> Pause | None:
        own = self._get(items.pause_key(pipeline), Pause)
        return own or (self._get(items.pause_key(EVERYTHING), Pause) if pipeline != EVERYTHING else None)

    def _with_line(self, write: dict[str, Any], pipeline: str, entry: Entry) -> None:
        line = items.line_item(items.line_key(f"pipeline:{pipeline}", entry), entry)
        with translated():
            self._dynamodb.transact_write_items(
                TransactItems=[write, {"Put": {"TableName": self._table, "Item": line}}]
            )

    def _newest(
        self, name: str, kind: type[Value], pipeline: str | None, state: str | None, after: str | None, limit: int
    ) -> Page[Value]:
        index = BY_PIPELINE if pipeline else BY_MONTH
        partitions = (f"{name}#{pipeline}",) if pipeline else last_months(name, self._clock())
        found, token = list_page(self._query, index, partitions, state=state, after=after, limit=limit)
        return Page(tuple(items.read_item(item, kind) for item in found), token)

    def _partition(
        self, partition: str, start: str, *, after: str | None = None, batch: int = 1000
    ) -> Iterator[items.Item]:
        """Read the items of one partition whose sort key starts so, in its order, as far as they are asked for."""
        key = items.Key(partition, after).item if after else None
        while True:
            with translated():
                answer = self._query(
                    KeyConditionExpression="pk = :pk AND begins_with(sk, :start)",
                    ExpressionAttributeValues={":pk": {"S": partition}, ":start": {"S": start}},
                    ConsistentRead=True,
                    Limit=batch,
                    **({"ExclusiveStartKey": key} if key else {}),
                )
            yield from answer["Items"]
            key = answer.get("LastEvaluatedKey")
            if not key:
                return

    def _get(self, key: items.Key, kind: type[Value]) -> Value | None:
        with translated():
            answer = self._dynamodb.get_item(TableName=self._table, Key=key.item, ConsistentRead=True)
        return items.read_item(answer["Item"], kind) if "Item" in answer else None

    def _delete(self, key: items.Key) -> None:
        with translated():
            self._dynamodb.delete_item(TableName=self._table, Key=key.item)

    def _put(self, item: items.Item) -> None:
        with translated():
            self._dynamodb.put_item(TableName=self._table, Item=item)

    def _query(self, **request: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._dynamodb.query(TableName=self._table, **request)
        return answer

    @property
    def _dynamodb(self) -> Any:
        return self._clients.get("dynamodb")


def _unchanged_since(rev: int) -> dict[str, Any]:
    if rev == 0:
        return {"ConditionExpression": "attribute_not_exists(pk)"}
    return {"ConditionExpression": "rev = :rev", "ExpressionAttributeValues": {":rev": {"N": str(rev)}}}


def _read_line(token: str) -> str:
    parts = read_token(token)
    if len(parts) != 1 or not parts[0].startswith("at#"):
        raise InvalidError("That `next` is not one that a timeline gave.", token=token)
    return parts[0]
