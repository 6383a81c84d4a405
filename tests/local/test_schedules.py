from __future__ import annotations

import json
import time

from dropforge.local.functions.schedules import Schedules
from dropforge.local.stack_reading import Schedule
from tests.local.waiting import wait_until

ARN = "arn:aws:events:us-east-1:000000000000:rule/tick"


def fired_by(*schedules: Schedule, speed: float, until: int) -> list[tuple[str, str]]:
    fired: list[tuple[str, str]] = []
    running = Schedules(
        schedules, lambda target, event: fired.append((target, event)), account="0", region="us-east-1", speed=speed
    )
    running.start()
    wait_until(lambda: len(fired) >= until)
    running.stop()
    return fired


def test_a_rate_fires_at_its_interval_times_the_speed_factor() -> None:
    began = time.monotonic()
    fired_by(Schedule(ARN, "rate(2 minutes)", (("f", None),)), speed=0.001, until=3)
    assert time.monotonic() - began >= 0.36


def test_a_scheduled_event_looks_as_on_aws() -> None:
    [(target, text), *_] = fired_by(Schedule(ARN, "rate(1 minute)", (("f", None),)), speed=0.001, until=1)
    event = json.loads(text)
    assert target == "f"
    assert event.pop("id")
    assert time.strptime(event.pop("time"), "%Y-%m-%dT%H:%M:%SZ")
    assert event == {
        "version": "0",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "0",
        "region": "us-east-1",
        "resources": [ARN],
        "detail": {},
    }


def test_a_target_with_an_input_of_its_own_gets_that() -> None:
    [(_, text), *_] = fired_by(Schedule(ARN, "rate(1 minute)", (("f", '{"mine": 1}'),)), speed=0.001, until=1)
    assert json.loads(text) == {"mine": 1}


def test_every_rule_keeps_its_own_time() -> None:
    often = Schedule(ARN + "1", "rate(1 minute)", (("often", None),))
    seldom = Schedule(ARN + "2", "rate(1 hour)", (("seldom", None),))
    fired = [target for target, _ in fired_by(often, seldom, speed=0.0005, until=10)]
    assert len(fired) >= 10
    assert set(fired) == {"often"}


def test_a_target_that_cannot_be_reached_does_not_keep_the_others_from_theirs() -> None:
    reached: list[str] = []

    def fire(target: str, _event: str) -> None:
        if target == "broken":
            raise OSError("no route")
        reached.append(target)

    rule = Schedule(ARN, "rate(1 minute)", (("broken", None), ("whole", None)))
    running = Schedules([rule], fire, account="0", region="us-east-1", speed=0.0005)
    running.start()
    wait_until(lambda: len(reached) >= 2)
    running.stop()
    assert set(reached) == {"whole"}
