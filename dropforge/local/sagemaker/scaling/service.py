"""Application Auto Scaling as one thing: its operations, its loop, its door."""

from __future__ import annotations

from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.scaling.loop import Loop, Rate, Reweigh
from dropforge.local.sagemaker.scaling.policies import Policies
from dropforge.local.sagemaker.scaling.targets import Targets
from dropforge.local.sagemaker.wire.web import Web

SERVICE = "application-autoscaling"


class Scaling:
    """Scales the variants of one SageMaker. `reweigh` performs UpdateEndpointWeightsAndCapacities."""

    def __init__(self, ground: Ground, reweigh: Reweigh, rate: Rate) -> None:
        self.operations = {**Targets(ground).operations(), **Policies(ground).operations()}
        self._loop = Loop(ground, reweigh, rate)
        self.asgi = Web(self.operations, service=SERVICE)

    @property
    def looks(self) -> int:
        """How often all targets have been looked at."""
        return self._loop.looks

    def start(self) -> None:
        self._loop.start()

    def stop(self) -> None:
        self._loop.stop()
        self.asgi.close()
