"""How values stand in the table: keys, index keys, and the value itself as one JSON document.

`docs/decisions/0001-one-table.md` tells the access patterns that these shapes serve.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter

from chalicelib.errors import RefusedError
from chalicelib.model import Dataset, DatasetId, Entry, PipelineRecord, Release, Run
from chalicelib.names import run12
from chalicelib.news import News, Told

Value = TypeVar("Value")
Item = dict[str, dict[str, str]]
"""An item as DynamoDB's own API spells it."""
SCHEMA = 1
DOCUMENT_LIMIT = 350_000
"""Bytes; an item ends at 400 KB, keys and index keys included."""
TIMELINE_SECONDS = 90 * 86_400
TOLD_SECONDS = 14 * 86_400
_LAST = 9_999_999_999.0
"""The last second of ten digits."""
OUTBOX = "outbox#0"
"""One partition: in the order of time, and read by one query. It bears a thousand writes a second."""


@dataclass(frozen=True, slots=True)
class Key:
    pk: str
    sk: str

    @property
    def item(self) -> Item:
        return {"pk": {"S": self.pk}, "sk": {"S": self.sk}}


def dataset_key(dataset: DatasetId) -> Key:
    return Key(f"dataset#{dataset}", "dataset")


def run_key(run: str) -> Key:
    return Key(f"run#{run12(run)}", "run")


def release_key(pipeline: str) -> Key:
    return Key(f"release#{pipeline}", "release")


def pipeline_key(name: str) -> Key:
    return Key(f"pipeline#{name}", "pipeline")


def serving_key(pipeline: str) -> Key:
    return Key(f"serving#{pipeline}", "serving")


def cursor_key(name: str) -> Key:
    return Key(f"cursor#{name}", "cursor")


def pause_key(scope: str) -> Key:
    return Key(f"pause#{scope}", "pause")


def outbox_key(news: News) -> Key:
    return Key(OUTBOX, news.order)


def told_partition(day: str) -> str:
    return f"told#{day}"


def position(at: float, order: str = "") -> str:
    """Sort by time; of a moment alone: before everything of that moment."""
    return f"{min(max(at, 0.0), _LAST):017.6f}#{order}"


def pointing_key(run: str, dataset: DatasetId) -> Key:
    return Key(f"run#{run12(run)}", f"dataset#{dataset}")


def line_key(subject: str, entry: Entry, place: int = 0) -> Key:
    """The same entry has the same key; `place` keeps the order of what was written at one moment."""
    digest = hashlib.sha256(_json(entry).encode()).hexdigest()[:16]
    return Key(partition_of(subject), f"at#{entry.at:017.6f}#{place:02}#{digest}")


def partition_of(subject: str) -> str:
    """Turn `run:<run>` into the partition that holds the run and its timeline."""
    kind, _, name = subject.partition(":")
    return f"{kind}#{run12(name) if kind == 'run' else name}"


def subject_of(partition: str) -> str:
    return partition.replace("#", ":", 1)


def key_of(value: Dataset | Run | Release | PipelineRecord) -> Key:
    match value:
        case Dataset():
            return dataset_key(value.id)
        case Run():
            return run_key(value.id)
        case Release():
            return release_key(value.pipeline)
        case PipelineRecord():
            return pipeline_key(value.name)


def machine_item(value: Dataset | Run | Release | PipelineRecord) -> Item:
    """Give the item of a dataset, run, release or pipeline, with the keys of every index that lists it."""
    key = key_of(value)
    item = plain_item(key, value) | {"rev": {"N": str(value.rev)}} | _listed(value)
    if value.due is not None:
        item |= {"open_kind": {"S": key.sk}, "due": {"N": repr(value.due)}}
    return item


def plain_item(key: Key, value: Any, **more: dict[str, str]) -> Item:
    document = _json(value)
    size = len(document.encode())
    if size > DOCUMENT_LIMIT:
        raise RefusedError(
            f"{subject_of(key.pk)} needs {size} bytes in the table, which has room for {DOCUMENT_LIMIT} in one item; "
            "use fewer or shorter channels, labels and overrides.",
            subject=subject_of(key.pk),
        )
    kind = key.sk.split("#", 1)[0]
    return key.item | {"kind": {"S": kind}, "schema": {"N": str(SCHEMA)}, "doc": {"S": document}} | more


def line_item(key: Key, entry: Entry) -> Item:
    return plain_item(key, entry, expires={"N": str(int(entry.at) + TIMELINE_SECONDS)})


def news_item(news: News) -> Item:
    return plain_item(outbox_key(news), news, kind={"S": "news"})


def told_item(told: Told) -> Item:
    key = Key(told_partition(day_of(told.at)), position(told.at, told.news.order))
    return plain_item(key, told, kind={"S": "told"}, expires={"N": str(int(told.at) + TOLD_SECONDS)})


def read_item(item: Item, kind: type[Value]) -> Value:
    """Give the value back. Fields that a later release has added are passed over, fields it has not are defaults."""
    value: Value = _adapter(cast("Hashable", kind)).validate_json(item["doc"]["S"])
    return value


def month_of(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m")


def day_of(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def _listed(value: Dataset | Run | Release | PipelineRecord) -> Item:
    match value:
        case Dataset():
            return _newest("dataset", value.id.pipeline, value.first_seen, str(value.id), value.state)
        case Run():
            return _newest("run", value.pipeline, value.created_at, run12(value.id), value.state)
        case PipelineRecord():
            return {"of_pipeline": {"S": "pipeline#"}, "created": {"S": value.name}}  # all in one list, by name
        case Release():
            return {}


def _newest(kind: str, pipeline: str, at: float, name: str, state: str) -> Item:
    created = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "of_pipeline": {"S": f"{kind}#{pipeline}"},
        "month": {"S": f"{kind}#{month_of(at)}"},
        "created": {"S": f"{created}#{name}"},
        "state": {"S": str(state)},
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_fields)


def _fields(value: Any) -> dict[str, Any]:
    """Read a frozen value as it stands: asdict would copy all that it holds, and takes three times as long."""
    return {each.name: getattr(value, each.name) for each in fields(value)}


@cache
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
