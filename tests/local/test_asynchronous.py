from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from dropforge.local.functions.asynchronous import Deliveries
from dropforge.local.functions.inbox import Inbox
from tests.local.conftest import Stack
from tests.local.waiting import wait_until
from tests.local.workshop import Workshop, pid_written_to, workshop

QUICK = 0.001
"""Retries after 60 and 120 ms."""

Delivering = Callable[..., AbstractContextManager[Deliveries]]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    (tmp_path / "work").mkdir()
    with workshop(tmp_path / "work") as made:
        yield made


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    made = Inbox(tmp_path / "inbox.sqlite")
    yield made
    made.close()


@pytest.fixture
def delivering(shop: Workshop, inbox: Inbox, stack: Stack) -> Delivering:
    @contextmanager
    def run(speed: float = QUICK) -> Iterator[Deliveries]:
        deliveries = Deliveries(inbox, shop.pools.get, stack.client, speed)
        deliveries.start()
        try:
            yield deliveries
        finally:
            deliveries.stop()
            for pool in shop.pools.values():
                pool.stop()
            deliveries.finish()

    return run


def make_queue(stack: Stack, name: str) -> tuple[Callable[[], list[dict[str, Any]]], str]:
    sqs = stack.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def messages() -> list[dict[str, Any]]:
        answer = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1, MessageAttributeNames=["All"])
        return list(answer.get("Messages", []))

    return messages, arn


def test_an_event_that_was_handled_leaves_the_inbox(shop: Workshop, inbox: Inbox, delivering: Delivering) -> None:
    pool = shop.pool("work.echo")
    with delivering() as deliveries:
        deliveries.put("work-echo", b'{"n": 1}')
        wait_until(lambda: inbox.counts() == (0, 0))
    assert (pool.invocations, pool.errors) == (1, 0)


def test_a_failing_event_is_tried_three_times_and_goes_to_the_destination(
    shop: Workshop, inbox: Inbox, delivering: Delivering, stack: Stack
) -> None:
    messages, arn = make_queue(stack, "destination")
    pool = shop.pool("work.fail", on_failure=arn)
    with delivering() as deliveries:
        request = deliveries.put("work-fail", b'{"n": 1}')
        [message] = wait_until(messages)
        wait_until(lambda: inbox.counts() == (0, 1))
    assert pool.invocations == 3
    record = json.loads(message["Body"])
    assert time.strptime(record.pop("timestamp")[:19], "%Y-%m-%dT%H:%M:%S")
    assert record["responsePayload"].pop("stackTrace")
    assert record == {
        "version": "1.0",
        "requestContext": {
            "requestId": request,
            "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:work-fail:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": {"n": 1},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": {
            "errorMessage": "no good: {'n': 1}",
            "errorType": "ValueError",
            "requestId": request,
        },
    }


def test_a_dead_letter_is_the_raw_event_with_the_reason_beside_it(
    shop: Workshop, delivering: Delivering, stack: Stack
) -> None:
    messages, arn = make_queue(stack, "dead-letters")
    shop.pool("work.fail", dead_letters=arn, retries=0)
    with delivering() as deliveries:
        request = deliveries.put("work-fail", b'{"n": 1}')
        [message] = wait_until(messages)
    assert message["Body"] == '{"n": 1}'
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert attributes == {"RequestID": request, "ErrorCode": "200", "ErrorMessage": "no good: {'n': 1}"}


def test_the_retries_wait_one_and_two_minutes_at_the_speed_factor(
    shop: Workshop, inbox: Inbox, delivering: Delivering
) -> None:
    pool = shop.pool("work.fail")
    with delivering(speed=0.005) as deliveries:
        began = time.monotonic()
        deliveries.put("work-fail", b"1")
        wait_until(lambda: pool.invocations == 2)
        second = time.monotonic() - began
        wait_until(lambda: inbox.counts() == (0, 1))
        third = time.monotonic() - began
    assert second >= 0.3
    assert third >= 0.9


def test_an_event_too_old_is_not_tried_again(shop: Workshop, delivering: Delivering, stack: Stack) -> None:
    messages, arn = make_queue(stack, "aged")
    pool = shop.pool("work.fail", max_age=30, on_failure=arn)
    with delivering(speed=1) as deliveries:
        deliveries.put("work-fail", b"1")
        [message] = wait_until(messages)
    assert pool.invocations == 1
    assert json.loads(message["Body"])["requestContext"]["condition"] == "EventAgeExceeded"


def test_an_event_whose_worker_is_killed_is_handled_all_the_same(
    shop: Workshop, inbox: Inbox, delivering: Delivering, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    pool = shop.pool("work.hang_once")
    with delivering() as deliveries:
        deliveries.put("work-hang_once", json.dumps({"mark": str(mark)}).encode())
        os.kill(pid_written_to(mark), signal.SIGKILL)
        wait_until(lambda: inbox.counts() == (0, 0))
    assert (pool.invocations, pool.errors) == (2, 1)


def test_what_is_under_way_at_a_stop_is_delivered_in_the_next_life(
    shop: Workshop, inbox: Inbox, delivering: Delivering, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    shop.pool("work.hang_once")
    with delivering(speed=1) as deliveries:
        deliveries.put("work-hang_once", json.dumps({"mark": str(mark)}).encode())
        wait_until(mark.exists)
    assert inbox.counts() == (1, 0)
    shop.pool("work.hang_once")
    with delivering(speed=1):
        # At once: being stopped was no failed attempt, which would have cost a minute.
        wait_until(lambda: inbox.counts() == (0, 0))


def test_an_event_taken_over_survives_a_kill(tmp_path: Path) -> None:
    program = """
import os, signal, sys, time
from pathlib import Path
from dropforge.local.functions.inbox import Inbox
inbox = Inbox(Path(sys.argv[1]))
for n in range(100):
    inbox.put("f", str(n).encode(), time.time())
os.kill(os.getpid(), signal.SIGKILL)
"""
    file = tmp_path / "inbox.sqlite"
    subprocess.run([sys.executable, "-c", program, str(file)], cwd=Path(__file__).parents[2], check=False)
    inbox = Inbox(file)
    assert [entry.event for entry in inbox.due(time.time(), besides=(), limit=200)] == [b"%d" % n for n in range(100)]
    inbox.close()


def test_a_flood_for_one_function_does_not_keep_another_waiting(
    shop: Workshop, delivering: Delivering, tmp_path: Path
) -> None:
    shop.pool("work.hang", bound=1)
    pool = shop.pool("work.echo")
    with delivering() as deliveries:
        for n in range(40):
            deliveries.put("work-hang", json.dumps({"mark": str(tmp_path / f"mark-{n}")}).encode())
        deliveries.put("work-echo", b"1")
        wait_until(lambda: pool.invocations == 1)


def test_an_event_for_a_function_that_is_gone_is_given_up(inbox: Inbox, delivering: Delivering) -> None:
    with delivering() as deliveries:
        deliveries.put("removed", b"1")
        wait_until(lambda: inbox.counts() == (0, 1))
