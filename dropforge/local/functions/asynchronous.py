"""Delivers from the inbox as Lambda does: two retries with pauses, then the failure's destination or dead letters."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from dropforge.local.functions.inbox import Entry, Inbox
from dropforge.local.functions.pool import Pool, ThrottledError
from dropforge.local.functions.worker import Answer
from dropforge.local.stack import Client
from dropforge.local.stack_reading import Function

_RETRY_AFTER = (60.0, 120.0)
_DESTINATION_AGAIN_AFTER = 5.0
_LARGEST_MESSAGE = 1024
"""Lambda cuts the error message of a dead letter there."""
_AT_ONCE = 32

logger = logging.getLogger(__name__)


class Deliveries:
    """Takes what is due from the inbox and invokes; an event leaves the inbox only when its function has answered."""

    def __init__(self, inbox: Inbox, pools: Callable[[str], Pool | None], client: Client, speed: float) -> None:
        self._inbox = inbox
        self._pools = pools
        self._client = client
        self._speed = speed
        self._woken = threading.Condition()
        self._flying: dict[str, str] = {}
        self._stopped = False
        self._hands = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="deliver")
        self._thread = threading.Thread(target=self._run, name="deliveries", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, function: str, event: bytes) -> str:
        """Take an event over: it is on disk when this returns."""
        request = self._inbox.put(function, event, time.time())
        self._wake()
        return request

    def stop(self) -> None:
        """Deliver nothing more; what is under way stays in the inbox for the next life."""
        self._stopped = True
        self._wake()

    def finish(self) -> None:
        """Wait for the hands; call when the workers have been ended."""
        self._hands.shutdown(wait=True, cancel_futures=True)
        self._thread.join()

    def _wake(self) -> None:
        with self._woken:
            self._woken.notify_all()

    def _run(self) -> None:
        while not self._stopped:
            now = time.time()
            with self._woken:
                for entry in self._ready(now):
                    self._flying[entry.id] = entry.function
                    self._hands.submit(self._deliver, entry)
                soon = self._inbox.next_due(now)
                if not self._stopped:
                    self._woken.wait(min(max(soon - time.time(), 0.0), 60.0) if soon else 60.0)

    def _ready(self, now: float) -> list[Entry]:
        """Choose so that a flood for one function does not keep the others waiting."""
        busy = Counter(self._flying.values())
        chosen: list[Entry] = []
        for entry in self._inbox.due(now, besides=self._flying, limit=_AT_ONCE * 8):
            pool = self._pools(entry.function)
            if len(self._flying) + len(chosen) < _AT_ONCE and (pool is None or busy[entry.function] < pool.bound):
                busy[entry.function] += 1
                chosen.append(entry)
        return chosen

    def _deliver(self, entry: Entry) -> None:
        try:
            pool = self._pools(entry.function)
            if pool is None:
                self._inbox.bury(entry, time.time(), "there is no such function any more")
            else:
                self._invoke(pool, entry)
        except ThrottledError:
            pass  # the cloud is stopping; the event stays
        except Exception:  # the edge of the thread: the event stays, and comes again
            logger.exception("delivery of %s to %s failed; it comes again", entry.id, entry.function)
            self._inbox.again(entry.id, attempts=entry.attempts, due=time.time() + _DESTINATION_AGAIN_AFTER)
        finally:
            with self._woken:
                self._flying.pop(entry.id, None)
                self._woken.notify_all()

    def _invoke(self, pool: Pool, entry: Entry) -> None:
        answer = pool.invoke(entry.event, request_id=entry.id)
        if not answer.failed:
            self._inbox.done(entry.id)
        elif self._stopped:
            return  # the worker was ended by us: that is no attempt
        else:
            self._failed(pool.function, entry, answer)

    def _failed(self, function: Function, entry: Entry, answer: Answer) -> None:
        attempts = entry.attempts + 1
        pause = _RETRY_AFTER[min(attempts, len(_RETRY_AFTER)) - 1] * self._speed
        due = time.time() + pause
        aged = due - entry.received > function.max_age
        if attempts <= function.retries and not aged:
            self._inbox.again(entry.id, attempts=attempts, due=due)
            return
        condition = "EventAgeExceeded" if aged and attempts <= function.retries else "RetriesExhausted"
        if function.on_failure:
            record = failure_record(function, entry, answer, attempts, condition)
            send_to(self._client, function.on_failure, json.dumps(record))
        if function.dead_letters:
            send_to(self._client, function.dead_letters, entry.event.decode(), _dead_letter_attributes(entry, answer))
        logger.warning("%s gave up on %s after %d attempts (%s)", function.name, entry.id, attempts, condition)
        self._inbox.bury(entry, time.time(), condition)


def failure_record(function: Function, entry: Entry, answer: Answer, attempts: int, condition: str) -> dict[str, Any]:
    """Build what Lambda sends to an OnFailure destination."""
    return {
        "version": "1.0",
        "timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z",
        "requestContext": {
            "requestId": entry.id,
            "functionArn": f"{function.arn}:$LATEST",
            "condition": condition,
            "approximateInvokeCount": attempts,
        },
        "requestPayload": json.loads(entry.event),
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": json.loads(answer.payload),
    }


def send_to(client: Client, arn: str, body: str, attributes: dict[str, Any] | None = None) -> None:
    """Send a message to a queue or a topic by its ARN."""
    service, name = arn.split(":")[2], arn.rpartition(":")[2]
    if service == "sqs":
        url = client("sqs").get_queue_url(QueueName=name)["QueueUrl"]
        client("sqs").send_message(QueueUrl=url, MessageBody=body, MessageAttributes=attributes or {})
    elif service == "sns":
        client("sns").publish(TopicArn=arn, Message=body, MessageAttributes=attributes or {})
    else:
        logger.error("nothing can be sent to %s here: only queues and topics are destinations at home", arn)


def _dead_letter_attributes(entry: Entry, answer: Answer) -> dict[str, Any]:
    message = str(json.loads(answer.payload).get("errorMessage", ""))[:_LARGEST_MESSAGE] or "unknown"
    return {
        "RequestID": {"DataType": "String", "StringValue": entry.id},
        "ErrorCode": {"DataType": "Number", "StringValue": "200"},
        "ErrorMessage": {"DataType": "String", "StringValue": message},
    }
