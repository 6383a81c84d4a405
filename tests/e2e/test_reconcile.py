"""The schedule as the last resort: whatever events are lost, a drop goes live."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.e2e.conftest import Cloud, wait_until
from tests.e2e.pipelines import PIXEL, Tiny, drop, fresh, jobs_of, knobs, label_of, push, until_sealed, until_stage
from tests.e2e.triggers import EVENTS, invocations, more, switched_off

_PATIENCE = 300
_KINDS = ("pipeline", "dataset", "run", "release")


def test_with_every_event_dropped_the_schedule_alone_brings_a_drop_live(cloud: Cloud) -> None:
    tiny = Tiny(fresh("lost"))
    with switched_off(cloud, *EVENTS):
        wait_until(lambda: not cloud.status()["inbox"])  # what was delivered before has been handled
        before = invocations(cloud)
        with minutes_that_pass_quickly(cloud):
            push(cloud, tiny, seconds=_PATIENCE)
            drop(cloud, tiny.name, "one", knobs(label="b"))
            run = until_sealed(cloud, tiny.name, "one", seconds=_PATIENCE)
            seen = until_stage(cloud, run, seconds=_PATIENCE)
        woken = more(invocations(cloud), before)
    assert label_of(cloud.predict(tiny.name, PIXEL)) == "b"
    assert len(jobs_of(cloud, tiny.name)) == 1
    assert seen["release"]["generation"] == 1
    # Nobody but the schedule (and this test's own questions) called anything; OnNews only tells others of it.
    assert woken.keys() - {"OnNews"} == {"Reconcile", "APIHandler"}, woken


@contextmanager
def minutes_that_pass_quickly(cloud: Cloud) -> Iterator[None]:
    """Make what is open due at once, as a minute would: the schedule here is faster than AWS's, the clock is not."""
    ended = threading.Event()
    table = cloud.client("dynamodb")

    def hurry() -> None:
        while not ended.wait(1.0):
            for kind in _KINDS:
                for key in _not_yet_due(cloud, kind):
                    with suppress(table.exceptions.ConditionalCheckFailedException):  # it was finished meanwhile
                        table.update_item(
                            TableName=cloud.table,
                            Key=key,
                            UpdateExpression="SET due = :now",
                            ConditionExpression="attribute_exists(due)",
                            ExpressionAttributeValues={":now": {"N": str(time.time())}},
                        )

    hand = threading.Thread(target=hurry)
    hand.start()
    try:
        yield
    finally:
        ended.set()
        hand.join()


def _not_yet_due(cloud: Cloud, kind: str) -> list[dict[str, dict[str, str]]]:
    found = cloud.client("dynamodb").query(
        TableName=cloud.table,
        IndexName="open",
        KeyConditionExpression="open_kind = :kind AND due > :now",
        ExpressionAttributeValues={":kind": {"S": kind}, ":now": {"N": str(time.time())}},
    )
    return [{"pk": item["pk"], "sk": item["sk"]} for item in found["Items"]]
