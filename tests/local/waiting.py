"""Waiting for something to be seen, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Seen = TypeVar("Seen")


def wait_until(seen: Callable[[], Seen | None], seconds: float = 60) -> Seen:
    """Look until something true is seen and give it; fails after the deadline with what was seen last."""
    deadline = time.monotonic() + seconds
    while True:
        last = seen()
        if last:
            return last
        assert time.monotonic() < deadline, f"not seen within {seconds} s; last: {last!r}"
        time.sleep(0.02)
