"""Takes what functions print to a file of the home and, in batches, to CloudWatch: lines, and what they count."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from dropforge.local.functions import metrics
from dropforge.local.stack import Client

_SHIP_EVERY = 0.25
_LINES_AT_ONCE = 1000
_BYTES_AT_ONCE = 900_000
_LONGEST_LINE = 200_000
_KEPT = 50_000
"""Lines that wait for CloudWatch at most; beyond it the file alone has them."""

logger = logging.getLogger(__name__)

Line = tuple[int, str]


class Logs:
    """One shipping thread for all functions."""

    def __init__(self, folder: Path, client: Client) -> None:
        self._folder = folder
        self._client = client
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, str], list[Line]] = defaultdict(list)
        self._count = 0
        self._known: set[tuple[str, str]] = set()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="logs", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ship what is left."""
        self._stopped.set()
        self._thread.join(2)
        self._ship()

    def line(self, function: str, stream: str, text: str) -> None:
        """Take one line; never waits for CloudWatch."""
        text = text[:_LONGEST_LINE]
        with self._lock, (self._folder / f"{function}.log").open("a") as file:
            file.write(f"{text}\n")
            if text and self._count < _KEPT:
                self._count += 1
                self._waiting[function, stream].append((int(time.time() * 1000), text))

    def _run(self) -> None:
        while not self._stopped.wait(_SHIP_EVERY):
            self._ship()

    def _ship(self) -> None:
        with self._lock:
            waiting, self._waiting, self._count = self._waiting, defaultdict(list), 0
        for place, lines in waiting.items():
            try:
                self._put(place, lines)
            except (BotoCoreError, ClientError) as error:
                logger.warning("log lines of %s did not reach CloudWatch: %s", place[0], error)
        metrics.put(self._client, (text for lines in waiting.values() for _, text in lines))

    def _put(self, place: tuple[str, str], lines: list[Line]) -> None:
        group, stream = f"/aws/lambda/{place[0]}", place[1]
        logs = self._client("logs")
        if place not in self._known:
            with suppress(logs.exceptions.ResourceAlreadyExistsException):
                logs.create_log_group(logGroupName=group)
            with suppress(logs.exceptions.ResourceAlreadyExistsException):
                logs.create_log_stream(logGroupName=group, logStreamName=stream)
            self._known.add(place)
        for events in _batches(lines):
            logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def _batches(lines: list[Line]) -> list[list[dict[str, str | int]]]:
    """Split into calls within CloudWatch's limits."""
    batches: list[list[dict[str, str | int]]] = [[]]
    size = 0
    for at, text in lines:
        size += len(text) * 4 + 26
        if size > _BYTES_AT_ONCE or len(batches[-1]) == _LINES_AT_ONCE:
            batches.append([])
            size = len(text) * 4 + 26
        batches[-1].append({"timestamp": at, "message": text})
    return [batch for batch in batches if batch]
