"""Fires the rules that have a schedule, at the speed factor; nobody else does."""

from __future__ import annotations

import json
import logging
import re
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from dropforge.local.ministack import next_cron
from dropforge.local.stack_reading import Schedule

_RATE = re.compile(r"rate\((?P<count>\d+) (?P<unit>minute|hour|day)s?\)")
_SECONDS = {"minute": 60.0, "hour": 3600.0, "day": 86400.0}

Fire = Callable[[str, str], None]
"""Takes a target's ARN and the event as JSON."""

logger = logging.getLogger(__name__)


class Schedules:
    """One thread that knows when each rule is next."""

    def __init__(
        self,
        schedules: Sequence[Schedule],
        fire: Fire,
        *,
        account: str,
        region: str,
        speed: float,
        is_enabled: Callable[[Schedule], bool] = lambda _: True,
    ) -> None:
        self._fire = fire
        self._is_enabled = is_enabled
        self._account, self._region, self._speed = account, region, speed
        self._stopped = threading.Event()
        self._next = {schedule: when for schedule in schedules if (when := self._after(schedule, time.time()))}
        self._thread = threading.Thread(target=self._run, name="schedules", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        while self._next:
            schedule, when = min(self._next.items(), key=lambda item: item[1])
            if self._stopped.wait(max(0.0, when - time.time())):
                return
            # From when it was due, not from now: a busy machine makes a tick late, not fewer; what was slept through
            # is skipped.
            following = self._after(schedule, max(when, time.time() - self._shortest(schedule)))
            del self._next[schedule]
            if following:
                self._next[schedule] = following
            try:
                if self._is_enabled(schedule):
                    self._fire_all(schedule)
            except Exception as error:  # noqa: BLE001  the edge of the thread: nobody to ask now is asked next time
                logger.warning("%s did not fire: %s", schedule.arn, error)

    def _fire_all(self, schedule: Schedule) -> None:
        event = json.dumps(scheduled_event(schedule.arn, self._account, self._region, datetime.now(UTC)))
        for target, constant in schedule.targets:
            try:
                self._fire(target, constant or event)
            except Exception as error:  # noqa: BLE001  the edge of the thread: one bad target must not stop the others
                logger.warning("%s did not reach %s: %s", schedule.arn, target, error)

    def _after(self, schedule: Schedule, now: float) -> float | None:
        """Tell when a rule fires next. The clock of a cron expression is the real one: only rates are scaled."""
        rate = self._shortest(schedule)
        return now + rate if rate else next_cron(schedule.expression, now)

    def _shortest(self, schedule: Schedule) -> float:
        found = _RATE.fullmatch(schedule.expression)
        return int(found["count"]) * _SECONDS[found["unit"]] * self._speed if found else 0.0


def scheduled_event(rule_arn: str, account: str, region: str, at: datetime) -> dict[str, Any]:
    """Build the event that a schedule gives its targets."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": account,
        "time": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "region": region,
        "resources": [rule_arn],
        "detail": {},
    }
