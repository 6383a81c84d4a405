"""The durable inbox of asynchronous invocations: an event in it is delivered at least once, also across a kill -9."""

from __future__ import annotations

import sqlite3
import threading
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS inbox (
    id TEXT PRIMARY KEY, function TEXT NOT NULL, event BLOB NOT NULL,
    received REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS inbox_due ON inbox (due);
CREATE TABLE IF NOT EXISTS dead (id TEXT PRIMARY KEY, function TEXT NOT NULL, at REAL NOT NULL, reason TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event on its way; `attempts` counts the invocations that failed."""

    id: str
    function: str
    event: bytes
    received: float
    attempts: int


class Inbox:
    """A table in SQLite; each change is committed before the call returns."""

    def __init__(self, file: Path) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        # WAL with NORMAL loses nothing when the process dies, only when the machine does.
        self._db.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; {_SCHEMA}")

    def put(self, function: str, event: bytes, now: float) -> str:
        """Take over an event; gives its request id."""
        entry = str(uuid.uuid4())
        row = (entry, function, event, now, now)
        with self._lock:
            self._db.execute("INSERT INTO inbox (id, function, event, received, due) VALUES (?, ?, ?, ?, ?)", row)
        return entry

    def due(self, now: float, *, besides: Collection[str], limit: int) -> list[Entry]:
        """List what is due, oldest first, leaving out what is being delivered already."""
        query = (
            "SELECT id, function, event, received, attempts FROM inbox WHERE due <= ? ORDER BY due, received LIMIT ?"
        )
        with self._lock:
            rows = self._db.execute(query, (now, limit + len(besides))).fetchall()
        return [entry for entry in (Entry(*row) for row in rows) if entry.id not in besides][:limit]

    def next_due(self, after: float) -> float | None:
        """Tell when the next event that is not due yet becomes so."""
        with self._lock:
            (when,) = self._db.execute("SELECT MIN(due) FROM inbox WHERE due > ?", (after,)).fetchone()
        return float(when) if when is not None else None

    def again(self, entry: str, *, attempts: int, due: float) -> None:
        with self._lock:
            self._db.execute("UPDATE inbox SET attempts = ?, due = ? WHERE id = ?", (attempts, due, entry))

    def done(self, entry: str) -> None:
        with self._lock:
            self._db.execute("DELETE FROM inbox WHERE id = ?", (entry,))

    def bury(self, entry: Entry, now: float, reason: str) -> None:
        """Give an event up for good."""
        row = (entry.id, entry.function, now, reason)
        with self._lock:
            self._db.execute("BEGIN")
            self._db.execute("INSERT OR REPLACE INTO dead (id, function, at, reason) VALUES (?, ?, ?, ?)", row)
            self._db.execute("DELETE FROM inbox WHERE id = ?", (entry.id,))
            self._db.execute("COMMIT")

    def counts(self) -> tuple[int, int]:
        """Count what waits and what was given up."""
        with self._lock:
            row = self._db.execute("SELECT (SELECT COUNT(*) FROM inbox), (SELECT COUNT(*) FROM dead)").fetchone()
        return int(row[0]), int(row[1])

    def close(self) -> None:
        with self._lock:
            self._db.close()
