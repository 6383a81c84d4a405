"""Polls a queue as an event source mapping does: batches, a window, partial failures, bounded concurrency."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dropforge.local.functions.pool import Pool, ThrottledError
from dropforge.local.functions.worker import Answer
from dropforge.local.stack import Client
from dropforge.local.stack_reading import QueueMapping

_RECEIVE_AT_ONCE = 10
_LONG_POLL = 1
_LARGEST_BATCH = 5_500_000
"""Bytes of bodies: Lambda calls early rather than above its 6 MB."""
_AFTER_TROUBLE = 1.0
_WINDOW_POLL = 0.05
_OFF_POLL = 0.5

logger = logging.getLogger(__name__)


class QueuePoller:
    """One event source mapping at work."""

    def __init__(
        self,
        mapping: QueueMapping,
        pool: Pool,
        client: Client,
        *,
        region: str,
        speed: float,
        is_enabled: Callable[[QueueMapping], bool] = lambda _: True,
    ) -> None:
        self._mapping = mapping
        self._is_enabled = is_enabled
        self._pool = pool
        self._sqs = client("sqs")
        self._region = region
        self._speed = speed
        self._stopped = threading.Event()
        self._places = threading.BoundedSemaphore(mapping.concurrency)
        self._hands = ThreadPoolExecutor(mapping.concurrency, thread_name_prefix=f"queue-{mapping.function}")
        self._thread = threading.Thread(target=self._run, name=f"poll-{mapping.function}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Receive nothing more."""
        self._stopped.set()

    def finish(self) -> None:
        """Wait until what was received has been told back to the queue; call when the workers have been ended."""
        self._thread.join(_LONG_POLL + 2)
        self._hands.shutdown(wait=True)

    def _run(self) -> None:
        while not self._stopped.is_set():
            if not self._places.acquire(timeout=0.5):
                continue
            batch: list[dict[str, Any]] = []
            try:
                # A place may have become free by the stop itself: a message taken now would count as received.
                batch = self._gather() if self._may_receive() else []
            except Exception as error:  # noqa: BLE001  the edge of the thread: a poller never dies of one bad answer
                if not self._stopped.wait(_AFTER_TROUBLE):
                    logger.warning("receiving for %s failed: %s", self._mapping.function, error)
            if batch:
                self._hands.submit(self._handle, batch, time.time())
            else:
                self._places.release()

    def _may_receive(self) -> bool:
        """Tell whether to take messages now; a mapping that is switched off is asked about again after a while."""
        if self._stopped.is_set():
            return False
        enabled = self._is_enabled(self._mapping)
        if not enabled:
            self._stopped.wait(_OFF_POLL)
        return enabled

    def _gather(self) -> list[dict[str, Any]]:
        """Collect a batch: until it is full, or the window after its first message has passed."""
        batch = self._receive(_LONG_POLL, self._mapping.batch_size)
        ends = time.monotonic() + self._mapping.window
        while batch and len(batch) < self._mapping.batch_size and time.monotonic() < ends:
            if sum(len(message["Body"]) for message in batch) > _LARGEST_BATCH or self._stopped.is_set():
                break
            more = self._receive(0, self._mapping.batch_size - len(batch))
            batch += more
            if not more:
                self._stopped.wait(_WINDOW_POLL)
        return batch

    def _receive(self, wait: int, most: int) -> list[dict[str, Any]]:
        answer = self._sqs.receive_message(
            QueueUrl=self._mapping.queue_url,
            MaxNumberOfMessages=min(_RECEIVE_AT_ONCE, most),
            WaitTimeSeconds=wait,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        return list(answer.get("Messages", []))

    def _handle(self, batch: list[dict[str, Any]], received: float) -> None:
        try:
            event = {"Records": [sqs_record(message, self._mapping.queue_arn, self._region) for message in batch]}
            failed = self._failed(self._invoke(event), batch)
            self._delete([message for message in batch if message["MessageId"] not in failed])
            self._give_back([message for message in batch if message["MessageId"] in failed], received)
        except Exception as error:  # noqa: BLE001  the edge of the thread; the messages come again by themselves
            if not self._stopped.is_set():
                logger.warning("a batch for %s was not told back to its queue: %s", self._mapping.function, error)
        finally:
            self._places.release()

    def _invoke(self, event: dict[str, Any]) -> Answer:
        try:
            return self._pool.invoke(json.dumps(event).encode())
        except ThrottledError:
            return Answer(b"{}", failed=True)

    def _failed(self, answer: Answer, batch: Sequence[dict[str, Any]]) -> set[str]:
        """Name the messages that must come again."""
        everything = {message["MessageId"] for message in batch}
        if answer.failed:
            return everything
        return batch_failures(answer.payload, everything) if self._mapping.partial else set()

    def _delete(self, messages: Sequence[dict[str, Any]]) -> None:
        for ten in _tens(messages):
            entries = [{"Id": str(at), "ReceiptHandle": each["ReceiptHandle"]} for at, each in enumerate(ten)]
            self._sqs.delete_message_batch(QueueUrl=self._mapping.queue_url, Entries=entries)

    def _give_back(self, messages: Sequence[dict[str, Any]], received: float) -> None:
        """Let failed messages come again after their visibility time-out: a back-off here, so at the speed factor."""
        if not messages:
            return
        left = 0
        if not self._stopped.is_set():
            timeout = self._visibility_timeout() * self._speed
            left = max(0, round(received + timeout - time.time()))
        for ten in _tens(messages):
            entries = [
                {"Id": str(at), "ReceiptHandle": each["ReceiptHandle"], "VisibilityTimeout": left}
                for at, each in enumerate(ten)
            ]
            self._sqs.change_message_visibility_batch(QueueUrl=self._mapping.queue_url, Entries=entries)

    def _visibility_timeout(self) -> int:
        url, wanted = self._mapping.queue_url, ["VisibilityTimeout"]
        found = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=wanted)
        return int(found["Attributes"]["VisibilityTimeout"])


def sqs_record(message: dict[str, Any], queue_arn: str, region: str) -> dict[str, Any]:
    """Build one record of the event that Lambda gives for a received message."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {
            name: {
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": value["DataType"],
                **({"stringValue": value["StringValue"]} if "StringValue" in value else {}),
            }
            for name, value in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": region,
    }


def batch_failures(payload: bytes, everything: set[str]) -> set[str]:
    """Read a partial batch response; one that Lambda could not read means that the whole batch failed."""
    answer = json.loads(payload or b"null")
    if not answer:
        return set()
    failures = answer.get("batchItemFailures") if isinstance(answer, dict) else None
    if failures is None:
        return set() if isinstance(answer, dict) else everything
    try:
        named = {failure["itemIdentifier"] for failure in failures}
    except (TypeError, KeyError):
        return everything
    return named if named.issubset(everything) else everything


def _tens(messages: Sequence[dict[str, Any]]) -> list[Sequence[dict[str, Any]]]:
    return [messages[at : at + _RECEIVE_AT_ONCE] for at in range(0, len(messages), _RECEIVE_AT_ONCE)]
