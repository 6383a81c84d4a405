"""Disturbs state changes on their way to EventBridge."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from dropforge.local.faults.rules import Rules

Emit = Callable[[str, dict[str, Any], list[str]], None]
Event = tuple[str, dict[str, Any], list[str]]

logger = logging.getLogger(__name__)


class Disturbed:
    """Sends events through `emit`, or does to them what the rules say; called from one thread, `release` from any."""

    def __init__(self, rules: Rules, emit: Emit) -> None:
        self._rules = rules
        self._emit = emit
        self._lock = threading.Lock()
        self._held: list[Event] = []

    def __call__(self, kind: str, detail: dict[str, Any], resources: list[str]) -> None:
        rule = self._rules.next("event", kind, detail)
        match rule.does if rule else "send":
            case "drop":
                return
            case "hold":
                with self._lock:
                    self._held.append((kind, detail, resources))
            case "duplicate":
                self._emit(kind, detail, resources)
                self._send(kind, detail, resources)
            case _:
                self._send(kind, detail, resources)

    def release(self) -> None:
        """Send what is held, in the order in which it came."""
        with self._lock:
            held, self._held = self._held, []
        for event in held:
            self._emit(*event)

    def _send(self, kind: str, detail: dict[str, Any], resources: list[str]) -> None:
        self._emit(kind, detail, resources)
        # What was held comes after one that it should have come before.
        self.release()
