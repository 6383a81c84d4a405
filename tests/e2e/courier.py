"""A bad courier: takes every event that is meant for the app, and hands each over twice, late and in no order.

The deployed rules, the wake-ups' mapping and the schedule are switched off: nothing reaches a handler but through here.
S3's and SageMaker's events are caught by a rule and a queue of the courier's own. It puts uploads into the very queue
where the rule would have put them, and gives the rest to its function as asynchronous invocations, as a rule does.
"""

from __future__ import annotations

import json
import random
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.e2e.conftest import Cloud, wait_until
from tests.e2e.triggers import (
    ENDPOINTS,
    EVENTS,
    JOBS,
    PACKAGES,
    SCHEDULE,
    UPLOADS,
    physical,
    queue_of,
    switched_off,
    waiting_in,
)

_COPIES = 2
_FUNCTIONS = ("OnWake", "OnJobChanged", "OnEndpointChanged", "OnPackageChanged")
Parcel = tuple[str, dict[str, Any]]


class Courier:
    def __init__(self, cloud: Cloud, queue: str, seed: int) -> None:
        self._cloud = cloud
        self._caught = queue
        self._uploads, self._wakes = queue_of(cloud, "uploads"), queue_of(cloud, "wake")
        self._functions = {name: physical(cloud, name) for name in _FUNCTIONS}
        # Wake-ups that other tests of the module left behind lie in their delay for up to 15 minutes.
        cloud.client("sqs").purge_queue(QueueUrl=self._wakes)
        self._dice = random.Random(seed)  # noqa: S311  an order, no secret
        self._held: list[Parcel] = []
        self.seen: list[Parcel] = []
        """Every event that there was, once: (its kind, itself)."""
        self.handed: Counter[str] = Counter()
        """How often each kind was handed over: what comes late is handed over fewer times than what came early."""

    def work(self, seen: Callable[[], Any], seconds: float = 180) -> Any:
        """Deliver, a random part of what is held at a time, until something is seen."""

        def look() -> Any:
            self.collect()
            self._deliver(self._dice.randint(0, len(self._held)))
            return seen()

        return wait_until(look, seconds, every=0.2)

    def finish(self, seconds: float = 120) -> None:
        """Deliver until there is nothing more, and all of it has been handled."""
        wait_until(lambda: self._is_done() and not self._is_busy(), seconds, every=0.2)

    def again(self) -> None:
        """Hold everything that ever was once more."""
        self._held += self.seen * _COPIES

    def collect(self) -> None:
        """Take what has come, and hold two copies of each."""
        new = [_parcel(json.loads(body)) for body in self._receive(self._caught)]
        new += [("OnWake", {"body": body}) for body in self._receive(self._wakes)]
        self.seen += new
        self._held += new * _COPIES
        self._dice.shuffle(self._held)

    def _is_done(self) -> bool:
        self.collect()
        self._deliver(len(self._held))
        caught, wakes = (waiting_in(self._cloud, queue, delayed=True) for queue in (self._caught, self._wakes))
        return not caught and not wakes

    def _is_busy(self) -> bool:
        return bool(waiting_in(self._cloud, self._uploads) or self._cloud.status()["inbox"])

    def _deliver(self, count: int) -> None:
        parcels, self._held = self._held[:count], self._held[count:]
        self.handed.update(kind for kind, _ in parcels)
        for kind, event in parcels:
            if kind == "Uploads":
                self._cloud.client("sqs").send_message(QueueUrl=self._uploads, MessageBody=json.dumps(event))
            else:
                handed = _batch(event["body"]) if kind == "OnWake" else event
                self._cloud.client("lambda").invoke(
                    FunctionName=self._functions[kind], InvocationType="Event", Payload=json.dumps(handed)
                )

    def _receive(self, queue: str) -> Iterator[str]:
        sqs = self._cloud.client("sqs")
        while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                yield message["Body"]
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])


@contextmanager
def bad_courier(cloud: Cloud, seed: int) -> Iterator[Courier]:
    """Put a courier in the place of all delivery; the deployed one is back when the block ends."""
    events, sqs, name = cloud.client("events"), cloud.client("sqs"), f"courier-{uuid.uuid4().hex[:8]}"
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    with switched_off(cloud, SCHEDULE, *EVENTS):
        events.put_rule(Name=name, EventPattern=json.dumps({"$or": _patterns(cloud)}))
        events.put_targets(Rule=name, Targets=[{"Id": "caught", "Arn": arn}])
        try:
            yield Courier(cloud, queue, seed)
        finally:
            events.remove_targets(Rule=name, Ids=["caught"])
            events.delete_rule(Name=name)
            sqs.delete_queue(QueueUrl=queue)


def _patterns(cloud: Cloud) -> list[Any]:
    """Give the patterns of the rules that are switched off."""
    rules = [physical(cloud, trigger) for trigger in (UPLOADS, JOBS, ENDPOINTS, PACKAGES)]
    return [json.loads(cloud.client("events").describe_rule(Name=name)["EventPattern"]) for name in rules]


def _parcel(event: dict[str, Any]) -> Parcel:
    kinds = {
        "Object Created": "Uploads",
        "SageMaker Training Job State Change": "OnJobChanged",
        "SageMaker Endpoint State Change": "OnEndpointChanged",
        "SageMaker Model Package State Change": "OnPackageChanged",
    }
    return kinds[event["detail-type"]], event


def _batch(body: str) -> dict[str, Any]:
    """Build the event of a queue's mapping with one message."""
    record = {"messageId": str(uuid.uuid4()), "body": body, "attributes": {}, "eventSource": "aws:sqs"}
    return {"Records": [record]}
