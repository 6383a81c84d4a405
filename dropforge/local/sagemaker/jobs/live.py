"""A job that runs now, and what others want of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from dropforge.local.sagemaker.jobs import steps
from dropforge.local.sagemaker.jobs.hosts import Hosts
from dropforge.local.sagemaker.jobs.steps import End

STOPPED = End("Stopped", "Stopped")
INTERRUPTED = End("InProgress", "Interrupted")


@dataclass(slots=True)
class Live:
    closing: Callable[[], bool] = lambda: False
    """Whether the cloud ends."""
    hosts: Hosts | None = None
    thread: threading.Thread | None = None
    called: threading.Event = field(default_factory=threading.Event)
    """Set where the job's thread is to leave what it does; `wish` says why."""
    _wishes: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def stop(self) -> None:
        """Ask for its end."""
        self._call("stop")

    def interrupt(self) -> None:
        """Take its spot instances away."""
        self._call("interrupt")

    def lose(self) -> None:
        """Break its instances."""
        self._call("lose")

    def wish(self) -> End:
        """Say how a try that was called away ends; a wish to stop is above all others."""
        with self._lock:
            if "stop" in self._wishes or not self._wishes:
                return STOPPED
            return INTERRUPTED if "interrupt" in self._wishes else End("Failed", "Failed", steps.INTERNAL)

    def go_on(self) -> None:
        """Forget why the last try ended, unless somebody wants the job stopped."""
        with self._lock:
            self._wishes &= {"stop"}
            if not self._wishes:
                self.called.clear()

    def _call(self, wish: str) -> None:
        with self._lock:
            self._wishes.add(wish)
            self.called.set()
