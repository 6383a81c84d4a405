"""What is deployed can be switched off and on, as on AWS, and what was called is counted."""

from __future__ import annotations

import threading
from pathlib import Path

from dropforge.local import stack_reading
from dropforge.local.functions.schedules import Schedules
from dropforge.local.home import REGION
from dropforge.local.packaging import translated
from dropforge.local.stack import deploy
from dropforge.local.stack_reading import Schedule
from tests.local.conftest import Stack
from tests.local.projects import make_project
from tests.local.test_queues import Queue, polling
from tests.local.waiting import wait_until


def test_a_queue_whose_mapping_is_off_keeps_its_messages_until_it_is_on_again(stack: Stack, tmp_path: Path) -> None:
    queue, enabled, asked = Queue(stack, "switched", tmp_path), threading.Event(), threading.Semaphore(0)

    def is_enabled() -> bool:
        asked.release()
        return enabled.is_set()

    with polling(stack, queue, tmp_path, is_enabled=is_enabled):
        queue.send("hello")
        assert all(asked.acquire(timeout=20) for _ in range(3))
        assert (queue.left(), queue.handled()) == (1, [])
        enabled.set()
        wait_until(lambda: queue.handled() == ["hello"])


def test_a_schedule_that_is_off_fires_nothing_until_it_is_on_again() -> None:
    fired, enabled, asked = list[str](), threading.Event(), threading.Semaphore(0)

    def is_enabled(_: Schedule) -> bool:
        asked.release()
        return enabled.is_set()

    rule = Schedule("arn:aws:events:us-east-1:0:rule/tick", "rate(1 minute)", (("f", None),))
    running = Schedules(
        [rule], lambda target, _: fired.append(target), account="0", region=REGION, speed=0.001, is_enabled=is_enabled
    )
    running.start()
    assert all(asked.acquire(timeout=20) for _ in range(3))
    assert not fired
    enabled.set()
    wait_until(lambda: fired)
    running.stop()


def test_a_deployed_stack_says_what_is_switched_off(stack: Stack, tmp_path: Path) -> None:
    deploy(stack.client, "switch-dev", translated(make_project(tmp_path / "tiny", prefix="switch"), "dev", REGION))
    deployed = stack_reading.read(stack.client, "switch-dev")
    [mapping], [schedule] = deployed.mappings, deployed.schedules
    rule = schedule.arn.rpartition("/")[2]
    assert stack_reading.is_mapping_enabled(stack.client, mapping)
    assert stack_reading.is_rule_enabled(stack.client, schedule)

    stack.client("lambda").update_event_source_mapping(UUID=mapping.id, Enabled=False)
    stack.client("events").disable_rule(Name=rule)
    assert not stack_reading.is_mapping_enabled(stack.client, mapping)
    assert not stack_reading.is_rule_enabled(stack.client, schedule)
    # They belong to the stack all the same: a cloud that is started now finds them when they are switched on.
    assert stack_reading.read(stack.client, "switch-dev").mappings == (mapping,)
    assert stack_reading.read(stack.client, "switch-dev").schedules == (schedule,)


def test_the_front_counts_the_calls_of_each_operation(stack: Stack) -> None:
    before = stack.front.counted()["aws"].get("dynamodb", {})
    for _ in range(3):
        stack.client("dynamodb").list_tables()
    after = stack.front.counted()["aws"]["dynamodb"]
    assert after["ListTables"] == before.get("ListTables", 0) + 3
