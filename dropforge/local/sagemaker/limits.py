"""The times that SageMaker sets, at AWS's pace or faster."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds. What hurries with the cloud is scaled by its speed; what a container may rely on is not."""

    stop: float = 120.0
    """Between SIGTERM and SIGKILL."""
    startup: float = 480.0
    """Until a server must have answered its first ping."""
    least_startup: float = 20.0
    """However fast the cloud: a program needs its time to load."""
    invoke: float = 60.0
    ping: float = 2.0
    pulse: float = 5.0
    """Between two pings of a server that is up."""
    silence: float = 30.0
    """How much longer than a request may take a server may answer no request, and no ping with 200."""
    idle: float = 300.0
    """How long a serverless endpoint keeps a server that nobody asks."""
    speed: float = 1.0
    """What the times that a request names itself are scaled by."""

    def scaled(self, speed: float) -> Limits:
        return Limits(
            stop=self.stop * speed,
            startup=max(self.least_startup, self.startup * speed),
            least_startup=self.least_startup,
            invoke=self.invoke,
            ping=self.ping,
            pulse=self.pulse,
            silence=self.silence,
            idle=self.idle * speed,
            speed=self.speed * speed,
        )
