"""Wake-ups, through a queue with delays: SQS keeps one for 900 seconds at most."""

from __future__ import annotations

from chalicelib.aws.clients import Clients, shared
from chalicelib.aws.errors import translated
from chalicelib.settings import Settings

DELAY_LIMIT = 900


class Timer:
    def __init__(self, settings: Settings, clients: Clients | None = None) -> None:
        self._clients = clients or shared(settings.region)
        self._queue = settings.wake_queue

    def wake(self, subject: str, *, seconds: int) -> None:
        delay = max(0, min(seconds, DELAY_LIMIT))
        told = {"delay": {"DataType": "Number", "StringValue": str(delay)}}  # SQS tells no receiver of its delays
        with translated():
            self._clients.get("sqs").send_message(
                QueueUrl=self._queue, MessageBody=subject, DelaySeconds=delay, MessageAttributes=told
            )
