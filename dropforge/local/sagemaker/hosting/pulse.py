"""The pulse of one server: what it says to a ping, and when it was last heard."""

from __future__ import annotations

import http.client
import time

from dropforge.local.sagemaker import sandbox

PORT = 8080


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
        connection = http.client.HTTPConnection("localhost", PORT)
        try:
            connection.sock = process.connect(PORT, self._ping)
            connection.request("GET", "/ping")
            well = connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException, sandbox.SandboxError):
            return None
        finally:
            connection.close()
        if well:
            self.hear()
        return well

    def is_silent(self) -> bool:
        return time.monotonic() > self._heard + self._patience
