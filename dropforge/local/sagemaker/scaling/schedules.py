"""When a scheduled action is due."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_RATE = re.compile(r"rate\((?P<count>[1-9]\d*) (?P<unit>minute|hour|day)s?\)")
_AT = re.compile(r"at\((?P<moment>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_CRON = re.compile(r"cron\((?P<fields>\S+( \S+){4}) (?P<year>[\d*,/-]+)\)")
_SECONDS = {"minute": 60.0, "hour": 3600.0, "day": 86400.0}


def readable(schedule: str) -> bool:
    if found := _AT.fullmatch(schedule):
        try:
            return bool(datetime.fromisoformat(found["moment"]))
        except ValueError:
            return False
    if found := _CRON.fullmatch(schedule):
        return _next_cron(f"cron({found['fields']} *)", 0.0) is not None  # one whose years are over can be read, too
    return bool(_RATE.fullmatch(schedule))


def due(action: Mapping[str, Any], now: float, speed: float) -> bool:
    """Say whether an action's time has come since it was last looked at; only rates hurry with the cloud."""
    if not action.get("StartTime", 0.0) <= now <= action.get("EndTime", float("inf")):
        return False
    following = _after(str(action["Schedule"]), max(action["_seen"], action.get("StartTime", 0.0)), speed)
    return following is not None and following <= now


def _after(schedule: str, then: float, speed: float) -> float | None:
    if found := _RATE.fullmatch(schedule):
        return then + int(found["count"]) * _SECONDS[found["unit"]] * speed
    if found := _AT.fullmatch(schedule):
        moment = datetime.fromisoformat(found["moment"]).replace(tzinfo=UTC).timestamp()
        return moment if moment >= then else None
    return _next_cron(schedule, then)


def _next_cron(schedule: str, then: float) -> float | None:
    from dropforge.local.ministack import next_cron  # only who has such a schedule pays for it

    return next_cron(schedule, then)
