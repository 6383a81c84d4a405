"""Waiting for what AWS has no room for now: longer and longer, visibly, and not for ever. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

from chalicelib.model import Shortage

FIRST, LONGEST = 60.0, 1800.0
"""Seconds between two tries: 1, 2, 4 … 30 minutes."""
_OURS = re.compile(r"(?!CapacityError)\w+Error\b")
"""How SageMaker begins the reason of a job that failed otherwise: what follows may be a script's own word of quotas."""
_NO_ROOM = re.compile(
    r"CapacityError|(insufficient|compute) capacity|InsufficientInstanceCapacity|"
    r"ResourceLimitExceeded|service limit|quota",
    re.IGNORECASE,
)
"""What SageMaker's FailureReason says then: "CapacityError: …", "Unable to provision requested ML compute capacity"."""


def is_shortage(reason: str | None) -> bool:
    """Tell whether something failed for want of capacity or quota, by SageMaker's own sentence."""
    return reason is not None and not _OURS.match(reason) and _NO_ROOM.search(reason) is not None


def wait_more(seen: Shortage | None, reason: str, now: float, limit: float) -> Shortage | None:
    """Plan the next try, after one that found no room; None once `limit` seconds are over."""
    known = seen or Shortage(now, 0, reason)
    pause = min(FIRST * 2.0 ** min(known.tries, 10), LONGEST)
    next_at = min(now + pause, max(known.since + limit, now))
    return Shortage(known.since, known.tries + 1, reason, next_at) if next_at > now else None


def trying(seen: Shortage | None) -> Shortage | None:
    """Say that a try is under way."""
    return replace(seen, next_at=None) if seen else None


def told(seen: Shortage) -> str:
    """Say what is waited for, and until when."""
    waits = f"AWS has no room for it now ({seen.reason.rstrip('.')}), tried {times(seen.tries)}"
    if seen.next_at is None:
        return f"{waits}."
    return f"{waits}; next try at {datetime.fromtimestamp(seen.next_at, UTC).strftime('%Y-%m-%d %H:%M:%S UTC')}."


def lasting(seconds: float) -> str:
    """Say how long that is in whole numbers, by the largest unit that gives one: 6 hours, 90 minutes."""
    for unit, length in (("hour", 3600), ("minute", 60)):
        count, rest = divmod(round(seconds), length)
        if count and not rest:
            return _counted(count, unit)
    return _counted(round(seconds), "second")


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
