"""One account: all services over one clock, and the events that they send."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from chalicelib.aws.clients import Clients
from tests.app import raw
from tests.proof.cloud.dynamodb import Dynamodb
from tests.proof.cloud.mail import Events, Logs, Message, Sqs
from tests.proof.cloud.runtime import Runtime
from tests.proof.cloud.s3 import S3
from tests.proof.cloud.sagemaker import Sagemaker
from tests.proof.cloud.wire import Client, Wire

BEGINNING = 1_800_000_000.0


class Account:
    def __init__(self, wire: Wire | None = None) -> None:
        self.now = BEGINNING
        self.wire = wire or Wire()
        self.sent: list[Message] = []
        """What was sent and not yet taken by the world: uploads, wake-ups, events of SageMaker."""
        self.s3 = S3(self.clock)
        self.dynamodb = Dynamodb(self.clock)
        self.logs = Logs()
        self.events = Events(self.clock)
        self.sqs = Sqs(self.clock, self.sent.append)
        self.sagemaker = Sagemaker(self.clock, self.s3, self.logs, self._emit)
        self.sagemaker.count_writes = self._count_writes

    def copy(self) -> Account:
        """Give an account that goes its own way from here, over a wire of its own."""
        made = Account()
        made.now, made.sent[:] = self.now, self.sent
        made.wire.unknown = self.wire.unknown
        made.s3 = self.s3.copy(made.clock)
        made.dynamodb = self.dynamodb.copy(made.clock)
        made.logs = self.logs.copy()
        made.events = self.events.copy(made.clock)
        made.sagemaker = self.sagemaker.copy(made.clock, made.s3, made.logs, made._emit)
        made.sagemaker.count_writes = made._count_writes
        return made

    def clock(self) -> float:
        return self.now

    def clients(self, worker: str) -> Clients:
        backends: dict[str, Any] = {
            "s3": self.s3,
            "dynamodb": self.dynamodb,
            "logs": self.logs,
            "events": self.events,
            "sqs": self.sqs,
            "sagemaker": self.sagemaker,
            "sagemaker-runtime": Runtime(self.sagemaker),
        }
        make: Callable[..., Any] = lambda service, **_: Client(self.wire, worker, service, backends[service])  # noqa: E731 (takes what botocore's does)
        return Clients("us-east-1", make)

    def upload(self, key: str, body: bytes, bucket: str = "bucket") -> None:
        """Upload as a user does: S3 sends an event for it."""
        kept = self.s3.keep(bucket, key, body)
        self.sent.append(Message(self.now, "uploads", raw.created(key, kept.at, size=len(body))))

    def _count_writes(self) -> int:
        return len(self.dynamodb.written)

    def _emit(self, kind: str, detail: dict[str, str]) -> None:
        event = {"source": "aws.sagemaker", "detail-type": kind, "detail": detail}
        self.sent.append(Message(self.now, "sagemaker", json.dumps(event)))
