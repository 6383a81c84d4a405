"""Log lines on their way to CloudWatch Logs: gathered for a moment, sent in batches, in order."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

TRAINING_GROUP = "/aws/sagemaker/TrainingJobs"
PROCESSING_GROUP = "/aws/sagemaker/ProcessingJobs"
TRANSFORM_GROUP = "/aws/sagemaker/TransformJobs"
ENDPOINT_GROUP = "/aws/sagemaker/Endpoints/"
_PAUSE = 0.2
_BATCH_LINES = 2_000  # CloudWatch takes 10,000 events and 1 MB in one call, 26 bytes of each event being overhead
_BATCH_BYTES = 900_000
_LINE_BYTES = 200_000  # of at most 256 KB
_WAITING_LINES = 20_000
_OVERHEAD = 26

logger = logging.getLogger(__name__)


class Stream:
    """One log stream. `write` waits when lines come faster than they are sent: a flood costs time, not memory."""

    def __init__(self, group: str, name: str) -> None:
        self.group = group
        self.name = name
        self._lines: deque[tuple[int, str]] = deque()
        self._changed = threading.Condition()
        self._sending = False
        self.made = False

    def write(self, text: str) -> None:
        cut = text.encode(errors="replace")[:_LINE_BYTES].decode(errors="ignore") or " "  # an empty message is refused
        with self._changed:
            self._changed.wait_for(lambda: len(self._lines) < _WAITING_LINES)
            self._lines.append((int(time.time() * 1000), cut))

    def take(self) -> list[tuple[int, str]]:
        """Take the next batch; `done` must follow."""
        batch: list[tuple[int, str]] = []
        size = 0
        with self._changed:
            while self._lines and len(batch) < _BATCH_LINES and size < _BATCH_BYTES:
                size += len(self._lines[0][1].encode()) + _OVERHEAD
                if batch and size > _BATCH_BYTES:
                    break
                batch.append(self._lines.popleft())
            self._sending = bool(batch)
            self._changed.notify_all()
        return batch

    def done(self) -> None:
        with self._changed:
            self._sending = False
            self._changed.notify_all()

    def drain(self, seconds: float) -> None:
        """Wait until all that was written has been sent, or the time ended."""
        with self._changed:
            self._changed.wait_for(lambda: not self._lines and not self._sending, seconds)


class Logs:
    """Sends the lines of all streams from one thread."""

    def __init__(self, client: Callable[[str], Any]) -> None:
        self._client = client
        self._streams: list[Stream] = []
        self._groups: set[str] = set()
        self._stopping = threading.Event()
        self._wanted = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sagemaker-logs", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Send what is there and end."""
        self._stopping.set()
        self._wanted.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def open(self, group: str, name: str) -> Stream:
        stream = Stream(group, name)
        self._streams = [*self._streams, stream]
        return stream

    def close(self, stream: Stream, seconds: float = 10) -> None:
        """Send all of a stream's lines before returning (or give up when the time ends)."""
        self._wanted.set()
        stream.drain(seconds)
        self._streams = [one for one in self._streams if one is not stream]

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wanted.wait(_PAUSE)
            self._wanted.clear()
            self._send_all()
        self._send_all()

    def _send_all(self) -> None:
        for stream in self._streams:
            while batch := stream.take():
                try:
                    self._send(stream, batch)
                except Exception:  # the edge of the thread: lost lines must not end the sending of all others
                    logger.exception("log lines of %s were lost", stream.name)
                finally:
                    stream.done()

    def _send(self, stream: Stream, batch: list[tuple[int, str]]) -> None:
        client = self._client("logs")
        if not stream.made:
            if stream.group not in self._groups:
                _unless_there(client, client.create_log_group, logGroupName=stream.group)
                self._groups.add(stream.group)
            _unless_there(client, client.create_log_stream, logGroupName=stream.group, logStreamName=stream.name)
            stream.made = True
        events = [{"timestamp": at, "message": text} for at, text in batch]
        client.put_log_events(logGroupName=stream.group, logStreamName=stream.name, logEvents=events)


def _unless_there(client: Any, create: Callable[..., Any], **arguments: str) -> None:
    try:
        create(**arguments)
    except client.exceptions.ResourceAlreadyExistsException:
        return
