"""What instances can be had: all of them, until somebody says that a type has run out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

LACKING = (
    "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different ML instance type."
)
WAITING = "Insufficient capacity error from EC2 while launching instances, retrying!"
_ALL = ""


class Capacity:
    """Any thread may call; `scarce` is asked, too, once for each type of each look."""

    def __init__(self, scarce: Callable[[str], bool]) -> None:
        self._scarce = scarce
        self._out: set[str] = set()
        self._lock = threading.Lock()

    def run_out(self, instance_type: str = _ALL) -> None:
        """Let there be no instances of a type, or of any, until they come back."""
        with self._lock:
            self._out.add(instance_type)

    def come_back(self, instance_type: str = _ALL) -> None:
        """Let there be instances of a type again; without one, of all."""
        with self._lock:
            self._out = self._out - {instance_type} if instance_type else set()

    def lacks(self, types: Iterable[str]) -> bool:
        wanted = set(types)
        with self._lock:
            if self._out & {_ALL, *wanted}:
                return True
        return any(self._scarce(each) for each in sorted(wanted))
