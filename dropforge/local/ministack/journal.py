"""Lines on disk, in segments: what a snapshot does not have yet.

A line is with the operating system when `append` returns, so that no kill of this process loses it (a power cut may).
`turn` begins a new segment at the moment a snapshot is taken; when that snapshot stands, `forget` drops what it has.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_SUFFIX = ".jsonl"


class Journal:
    """One folder of segments, numbered upwards. Any thread may append."""

    def __init__(self, folder: Path, *, default: Callable[[Any], Any], hook: Callable[[Any], Any]) -> None:
        """Keep segments in `folder`; `default` and `hook` are json's, for what its lines alone cannot hold."""
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._encode = json.JSONEncoder(separators=(",", ":"), default=default).encode
        self._hook = hook
        self._lock = threading.Lock()
        self._segment: int | None = None
        self._number = max(self._numbers(), default=0)

    def append(self, record: Any) -> None:
        """Write a record down; OSError when the disk takes no more, and then nothing of it is kept."""
        line = self._encode(record).encode() + b"\n"
        with self._lock:
            if self._segment is None:
                self._segment = os.open(self._path(self._number), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            begin = os.fstat(self._segment).st_size
            try:
                _write(self._segment, line)
            except OSError:
                os.ftruncate(self._segment, begin)
                raise

    def replay(self, since: int) -> Iterator[Any]:
        """Read the records of a segment and of those after it, in their order.

        A line cut short by a kill was never answered for; nothing follows it in its segment.
        """
        for number in sorted(self._numbers()):
            if number >= since:
                yield from self._records(number)

    def turn(self, since: int = 0) -> int:
        """Begin a new segment; gives its number.

        That is above `since`, too, the first that the loaded snapshot does not have: where it had all of them, none is
        left to count on from.
        """
        with self._lock:
            self._close()
            self._number = max(self._number, since) + 1
            return self._number

    def forget(self, before: int) -> None:
        """Drop the segments before a number."""
        for number in self._numbers():
            if number < before:
                self._path(number).unlink(missing_ok=True)

    def close(self) -> None:
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._segment is not None:
            os.close(self._segment)
        self._segment = None

    def _records(self, number: int) -> Iterator[Any]:
        with self._path(number).open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if not line.endswith("\n"):
                    return
                yield json.loads(line, object_hook=self._hook)

    def _numbers(self) -> list[int]:
        return [int(file.stem) for file in self._folder.glob(f"*{_SUFFIX}")]

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:012}{_SUFFIX}"


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
