from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropforge.local.functions.forks import Forks
from dropforge.local.functions.pool import Pool
from dropforge.local.functions.queues import QueuePoller, batch_failures
from dropforge.local.functions.worker import Ground
from dropforge.local.stack_reading import Function, QueueMapping
from tests.local.conftest import Stack
from tests.local.waiting import wait_until

HANDLERS = """
import json, pathlib
HERE = pathlib.Path(__file__).parent

def handle(event, context):
    with (HERE / "batches").open("a") as out:
        out.write(json.dumps(event) + "\\n")
    bodies = [each["body"] for each in event["Records"]]
    if "explode" in bodies:
        raise ValueError("boom")
    return {"batchItemFailures": [
        {"itemIdentifier": each["messageId"]} for each in event["Records"] if each["body"] == "poison"
    ]}
"""


class Queue:
    """A queue of ministack's with a dead-letter queue, and what its function has seen."""

    def __init__(self, stack: Stack, name: str, folder: Path, *, visibility: int = 30, receives: int = 2) -> None:
        (folder / "work.py").write_text(HANDLERS)
        self._batches = folder / "batches"
        self._sqs = stack.client("sqs")
        self._dead = self._sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        redrive = {"deadLetterTargetArn": self._arn(self._dead), "maxReceiveCount": receives}
        attributes = {"VisibilityTimeout": str(visibility), "RedrivePolicy": json.dumps(redrive)}
        self.url = self._sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        self.arn = self._arn(self.url)

    def send(self, *bodies: str) -> None:
        for at in range(0, len(bodies), 10):
            entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies[at : at + 10])]
            self._sqs.send_message_batch(QueueUrl=self.url, Entries=entries)

    def left(self) -> int:
        """Count what is in the queue, under way or not."""
        wanted = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=wanted)["Attributes"]
        return sum(int(count) for count in found.values())

    def dead(self) -> list[str]:
        answer = self._sqs.receive_message(QueueUrl=self._dead, WaitTimeSeconds=0, VisibilityTimeout=0)
        return [message["Body"] for message in answer.get("Messages", [])]

    def batches(self) -> list[list[dict[str, Any]]]:
        if not self._batches.exists():
            return []
        return [json.loads(line)["Records"] for line in self._batches.read_text().splitlines()]

    def handled(self) -> list[str]:
        return [record["body"] for batch in self.batches() for record in batch]

    def _arn(self, url: str) -> str:
        attributes = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
        return str(attributes["QueueArn"])


@contextmanager
def polling(
    stack: Stack,
    queue: Queue,
    folder: Path,
    *,
    speed: float = 0.001,
    is_enabled: Callable[[], bool] = lambda: True,
    **more: Any,
) -> Iterator[Pool]:
    with closing(Forks(folder)) as forks:
        ground = Ground(folder, {}, lambda *_: None, forks)
        pool = Pool(Function("f", "arn:aws:lambda:us-east-1:0:function:f", "work.handle", 20, 128), ground, 2)
        values: dict[str, Any] = {"batch_size": 10, "window": 0, "partial": True, "concurrency": 1}
        mapping = QueueMapping("id", queue.url, queue.arn, "f", **(values | more))
        poller = QueuePoller(
            mapping, pool, stack.client, region="us-east-1", speed=speed, is_enabled=lambda _: is_enabled()
        )
        poller.start()
        try:
            yield pool
        finally:
            poller.stop()
            pool.stop()
            poller.finish()


def test_messages_arrive_as_lambda_gives_them_and_leave_the_queue(stack: Stack, tmp_path: Path) -> None:
    queue = Queue(stack, "arrive", tmp_path)
    with polling(stack, queue, tmp_path):
        queue.send("hello")
        [[record]] = wait_until(queue.batches)
        wait_until(lambda: queue.left() == 0)
    assert record.pop("messageId")
    assert record.pop("receiptHandle")
    attributes = record.pop("attributes")
    assert {"ApproximateReceiveCount", "SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp"} <= set(
        attributes
    )
    assert record == {
        "body": "hello",
        "messageAttributes": {},
        "md5OfBody": "5d41402abc4b2a76b9719d911017c592",
        "eventSource": "aws:sqs",
        "eventSourceARN": queue.arn,
        "awsRegion": "us-east-1",
    }


def test_a_hundred_messages_are_one_batch_when_the_window_allows_it(stack: Stack, tmp_path: Path) -> None:
    queue = Queue(stack, "window", tmp_path)
    queue.send(*map(str, range(100)))
    with polling(stack, queue, tmp_path, batch_size=100, window=5) as pool:
        wait_until(lambda: queue.left() == 0)
    assert sorted(queue.handled(), key=int) == [str(n) for n in range(100)]
    assert pool.invocations == 1


def test_a_lonely_message_waits_for_the_window_and_then_goes_alone(stack: Stack, tmp_path: Path) -> None:
    queue = Queue(stack, "lonely", tmp_path)
    began = time.monotonic()
    with polling(stack, queue, tmp_path, batch_size=100, window=1):
        queue.send("only")
        wait_until(queue.batches)
    assert time.monotonic() - began >= 1


def test_only_what_failed_in_a_batch_comes_again_and_ends_in_the_dead_letters(stack: Stack, tmp_path: Path) -> None:
    queue = Queue(stack, "partial", tmp_path, receives=2)
    queue.send("good", "poison", "fine")
    with polling(stack, queue, tmp_path):
        wait_until(lambda: queue.dead() == ["poison"])
        assert queue.left() == 0
    assert sorted(queue.handled()) == ["fine", "good", "poison", "poison"]


def test_a_whole_batch_comes_again_when_its_function_fails(stack: Stack, tmp_path: Path) -> None:
    queue = Queue(stack, "whole", tmp_path, receives=2)
    queue.send("explode", "innocent")
    with polling(stack, queue, tmp_path):
        wait_until(lambda: len(queue.handled()) >= 4)
    assert sorted(queue.handled())[:2] == ["explode", "explode"]


def test_a_failed_message_stays_away_for_its_visibility_timeout(stack: Stack, tmp_path: Path) -> None:
    queue = Queue(stack, "away", tmp_path, visibility=20, receives=9)
    with polling(stack, queue, tmp_path, speed=0.1):
        queue.send("poison")
        wait_until(lambda: len(queue.handled()) == 1)
        began = time.monotonic()
        wait_until(lambda: len(queue.handled()) == 2)
    assert time.monotonic() - began >= 1


def test_what_is_under_way_at_a_stop_is_back_in_the_queue_at_once(stack: Stack, tmp_path: Path) -> None:
    queue = Queue(stack, "stopped", tmp_path)
    (tmp_path / "work.py").write_text(
        "import pathlib, time\n"
        "def handle(event, context):\n    (pathlib.Path(__file__).parent / 'began').touch()\n    time.sleep(600)\n"
    )
    with polling(stack, queue, tmp_path, speed=1):
        queue.send("hello")
        wait_until((tmp_path / "began").exists)
    sqs = stack.client("sqs")
    [message] = sqs.receive_message(QueueUrl=queue.url, WaitTimeSeconds=2)["Messages"]
    assert message["Body"] == "hello"


EVERYTHING = {"a", "b"}


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        (None, set()),
        ({}, set()),
        ({"batchItemFailures": None}, set()),
        ({"batchItemFailures": []}, set()),
        ({"batchItemFailures": [{"itemIdentifier": "b"}]}, {"b"}),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, EVERYTHING),
        ({"batchItemFailures": [{"itemIdentifier": None}]}, EVERYTHING),
        ({"batchItemFailures": [{"wrong": "b"}]}, EVERYTHING),
        ({"batchItemFailures": [{"itemIdentifier": "stranger"}]}, EVERYTHING),
        ("text", EVERYTHING),
    ],
)
def test_a_partial_batch_response_is_read_as_lambda_reads_it(answer: Any, failed: set[str]) -> None:
    assert batch_failures(json.dumps(answer).encode(), EVERYTHING) == failed


@given(
    st.recursive(
        st.none() | st.booleans() | st.text() | st.integers(),
        lambda x: st.lists(x) | st.dictionaries(st.sampled_from(["batchItemFailures", "itemIdentifier", "x"]), x),
    )
)
def test_no_answer_whatever_loses_a_message_by_an_error_of_ours(answer: Any) -> None:
    assert batch_failures(json.dumps(answer).encode(), EVERYTHING) <= EVERYTHING
