"""Queues and buses: what was sent, and when it arrives. Who gets it is the world's matter."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Clock = Callable[[], float]
DELAY_LIMIT = 900


@dataclass(frozen=True, slots=True)
class Message:
    at: float
    queue: str
    body: str


@dataclass(frozen=True, slots=True)
class Published:
    """An event of ours that a bus has taken."""

    at: float
    source: str
    kind: str
    detail: dict[str, Any]


class Sqs:
    def __init__(self, clock: Clock, send: Callable[[Message], None]) -> None:
        self.clock = clock
        self.send = send

    def send_message(self, asked: dict[str, Any]) -> dict[str, Any]:
        delay = asked.get("DelaySeconds", 0)
        if not 0 <= delay <= DELAY_LIMIT:
            raise ValueError(delay)
        self.send(Message(self.clock() + delay, asked["QueueUrl"], asked["MessageBody"]))
        return {"MessageId": "message"}


class Events:
    ENTRIES = 10

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.published: tuple[Published, ...] = ()
        self.halves = False
        """Whether it takes every other entry only: put_events is no transaction, and says so in its answer alone."""
        self._offered = 0

    def copy(self, clock: Clock) -> Events:
        made = Events(clock)
        made.published = self.published
        return made

    def put_events(self, asked: dict[str, Any]) -> dict[str, Any]:
        entries = asked["Entries"]
        if len(entries) > self.ENTRIES:
            raise ValueError(len(entries))
        answers = [self._take(entry) for entry in entries]
        return {"FailedEntryCount": sum("ErrorCode" in answer for answer in answers), "Entries": answers}

    def _take(self, entry: dict[str, Any]) -> dict[str, str]:
        self._offered += 1
        if self.halves and self._offered % 2:
            return {"ErrorCode": "InternalFailure", "ErrorMessage": "Unexpected"}
        told = Published(self.clock(), entry["Source"], entry["DetailType"], json.loads(entry["Detail"]))
        self.published = (*self.published, told)
        return {"EventId": f"event-{self._offered}"}


class Logs:
    """Logs of training jobs: one stream a job, the labels that its script told."""

    def __init__(self) -> None:
        self.lines: dict[str, tuple[tuple[float, str], ...]] = {}

    def copy(self) -> Logs:
        made = Logs()
        made.lines = dict(self.lines)
        return made

    def describe_log_streams(self, asked: dict[str, Any]) -> dict[str, Any]:
        head = asked["logStreamNamePrefix"]
        return {"logStreams": [{"logStreamName": name} for name in sorted(self.lines) if name.startswith(head)]}

    def get_log_events(self, asked: dict[str, Any]) -> dict[str, Any]:
        lines, token = self.lines[asked["logStreamName"]], f"f/{len(self.lines[asked['logStreamName']])}"
        given = lines if asked.get("nextToken") != token else ()
        told = [{"timestamp": int(at * 1000), "message": text, "ingestionTime": int(at * 1000)} for at, text in given]
        return {"events": told, "nextForwardToken": token, "nextBackwardToken": "b/0"}
