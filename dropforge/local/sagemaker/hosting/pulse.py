"""The pulse of one server: what it says to a ping, and when it was last heard."""

from __future__ import annotations

import time
from http import HTTPStatus

from dropforge.local.sagemaker import sandbox
from dropforge.local.sagemaker.hosting.calls import once
from dropforge.local.sagemaker.hosting.exchange import BrokenError

PORT = 8080
_LARGEST = 1024 * 1024
"""Bytes that an answer to a ping may have, which nobody reads."""


class Pulse:
    """Seconds: a ping has so many for its answer; who was not heard for longer than `patience` is silent."""

    def __init__(self, ping: float, patience: float) -> None:
        self._ping = ping
        self._patience = patience
        self._heard = time.monotonic()

    def hear(self) -> None:
        """Note that it answers."""
        self._heard = time.monotonic()

    def ping(self, process: sandbox.Process) -> bool | None:
        """Say whether it is well, which is heard; None where it gives no answer in time."""
        try:
            connected = process.connect(PORT, self._ping)
            answer = once(connected, "GET", "/ping", (), b"", seconds=self._ping, largest=_LARGEST)
        except (OSError, BrokenError, sandbox.SandboxError):
            return None
        well = answer.status == HTTPStatus.OK
        if well:
            self.hear()
        return well

    def is_silent(self) -> bool:
        return time.monotonic() > self._heard + self._patience
