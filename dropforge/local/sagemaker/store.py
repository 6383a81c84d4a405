"""What SageMaker knows, in SQLite: written and committed before any answer goes out.

Each thing is one JSON document in the shape that Describe gives it, with times as seconds since 1970; keys that
start with an underscore are ours. Events that tell of a change are committed with it, and sent afterwards.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dropforge.local.sagemaker.states import Graph

Doc = dict[str, Any]

_TABLES = """
CREATE TABLE IF NOT EXISTS things (
  kind TEXT NOT NULL, name TEXT NOT NULL, grouped TEXT NOT NULL, status TEXT NOT NULL,
  created REAL NOT NULL, modified REAL NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (kind, name));
CREATE INDEX IF NOT EXISTS by_lower ON things (kind, lower(name));
CREATE INDEX IF NOT EXISTS by_created ON things (kind, created, name);
CREATE INDEX IF NOT EXISTS by_status ON things (kind, status, name);
CREATE INDEX IF NOT EXISTS by_group ON things (kind, grouped, created);
CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL);
"""


# Names are alike in any case: ARNs have them in lower case, and are unique. The case that was given first is kept.
# SQLite would look through a whole kind for what it is to change: it takes this index only where it is named.
_FOUND = """
SELECT doc FROM things INDEXED BY by_lower
WHERE kind = :kind AND lower(name) = lower(:name) AND (name = :name OR NOT :exact)"""
_CHANGED = """
UPDATE things INDEXED BY by_lower SET doc = :doc, status = :status, modified = :modified
WHERE kind = :kind AND lower(name) = lower(:name) AND (name = :name OR NOT :exact)"""
_DELETED = """
DELETE FROM things INDEXED BY by_lower
WHERE kind = :kind AND lower(name) = lower(:name) AND (name = :name OR NOT :exact)"""


class TakenError(Exception):
    """Something by that name is there already."""


class MissingError(Exception):
    """There is nothing by that name."""


@dataclass(frozen=True, slots=True)
class Event:
    """A state change, as EventBridge will carry it."""

    type: str
    detail: Mapping[str, Any]
    resources: Sequence[str] = field(default=())


@dataclass(frozen=True, slots=True)
class Row:
    """A document with the columns it is sorted by."""

    name: str
    status: str
    created: float
    modified: float
    doc: Doc


class Store:
    """Documents by kind and name, and the events not yet sent. Any thread may call."""

    def __init__(self, path: Path, graphs: Mapping[str, Graph], exact: Collection[str] = ()) -> None:
        """Keep documents at `path`; those of a kind that has a graph move along it, or ImpossibleError is raised.

        Names of the kinds in `exact` are told apart by their case.
        """
        self._graphs = graphs
        self._exact = exact
        self._lock = threading.RLock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        # WAL with NORMAL survives any kill of this process; only a power cut may cost the last moments.
        self._database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + _TABLES)
        self._news = threading.Condition(self._lock)

    def create(self, kind: str, name: str, doc: Doc, *events: Event, group: str = "") -> None:
        status = self._moved(kind, "", doc)
        with self._lock, self._transaction():
            now = time.time()
            if self.get(kind, name) is not None:
                raise TakenError(name)
            self._database.execute(
                "INSERT INTO things VALUES (?, ?, ?, ?, ?, ?, ?)",
                (kind, name, group, status, doc.get("CreationTime", now), now, json.dumps(doc)),
            )
            self._remember(events)

    def get(self, kind: str, name: str) -> Doc | None:
        with self._lock:
            row = self._database.execute(_FOUND, self._key(kind, name)).fetchone()
        return None if row is None else json.loads(row[0])

    def change(self, kind: str, name: str, edit: Callable[[Doc], Iterable[Event] | None]) -> Doc:
        """Let `edit` change a document in place, alone; what it raises leaves all as it was. Gives the new document."""
        with self._lock, self._transaction():
            doc = self.get(kind, name)
            if doc is None:
                raise MissingError(name)
            before = self._status(kind, doc)
            events = edit(doc)
            status = self._moved(kind, before, doc)
            modified = doc.get("LastModifiedTime", time.time())
            values = {"doc": json.dumps(doc), "status": status, "modified": modified}
            self._database.execute(_CHANGED, values | self._key(kind, name))
            self._remember(events or ())
        return doc

    def delete(self, kind: str, name: str) -> bool:
        with self._lock, self._transaction():
            return self._database.execute(_DELETED, self._key(kind, name)).rowcount > 0

    def select(self, where: str, values: Sequence[Any], order: str = "created, name", limit: int = -1) -> list[Row]:
        """Read by a condition of ours over the columns; values come in only as parameters."""
        columns = "name, status, created, modified, doc"
        query = f"SELECT {columns} FROM things WHERE {where} ORDER BY {order} LIMIT ?"  # noqa: S608 - constants of this package
        with self._lock:
            rows = self._database.execute(query, (*values, limit)).fetchall()
        return [Row(name, status, created, modified, json.loads(doc)) for name, status, created, modified, doc in rows]

    def count(self, kind: str, *statuses: str) -> int:
        marks = ", ".join("?" * len(statuses))
        query = f"SELECT count(*) FROM things WHERE kind = ? AND status IN ({marks})"  # noqa: S608 - marks are question marks
        with self._lock:
            return int(self._database.execute(query, (kind, *statuses)).fetchone()[0])

    def alone(self) -> threading.RLock:
        """The lock that every call takes: hold it where reading and writing must be one step."""
        return self._lock

    def next_events(self, seconds: float, limit: int = 100) -> list[tuple[int, Event]]:
        """Wait until there are events to send; oldest first, empty when the time ended."""
        with self._news:
            found = self._waiting(limit)
            if not found:
                self._news.wait(seconds)
                found = self._waiting(limit)
        return found

    def sent(self, number: int) -> None:
        with self._lock, self._transaction():
            self._database.execute("DELETE FROM events WHERE id = ?", (number,))

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def _waiting(self, limit: int) -> list[tuple[int, Event]]:
        rows = self._database.execute("SELECT id, event FROM events ORDER BY id LIMIT ?", (limit,)).fetchall()
        return [(number, Event(**json.loads(text))) for number, text in rows]

    def _remember(self, events: Iterable[Event]) -> None:
        for event in events:
            text = json.dumps({"type": event.type, "detail": event.detail, "resources": list(event.resources)})
            self._database.execute("INSERT INTO events (event) VALUES (?)", (text,))
            self._news.notify_all()

    def _key(self, kind: str, name: str) -> dict[str, Any]:
        return {"kind": kind, "name": name, "exact": kind in self._exact}

    def _status(self, kind: str, doc: Doc) -> str:
        graph = self._graphs.get(kind)
        return str(doc.get(graph.member, "")) if graph else ""

    def _moved(self, kind: str, before: str, doc: Doc) -> str:
        status = self._status(kind, doc)
        if kind in self._graphs:
            self._graphs[kind].check(before, status)
        return status

    def _transaction(self) -> _Transaction:
        return _Transaction(self._database)


class _Transaction:
    """BEGIN IMMEDIATE … COMMIT; nested ones join the outer."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._outer = database.in_transaction

    def __enter__(self) -> None:
        if not self._outer:
            self._database.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if not self._outer:
            self._database.execute("COMMIT" if kind is None else "ROLLBACK")
