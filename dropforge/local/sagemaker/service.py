"""SageMaker as one thing: makes its rooms, starts and stops them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dropforge.local.sagemaker import images, tags
from dropforge.local.sagemaker.account import Account
from dropforge.local.sagemaker.events import Emit, Messenger
from dropforge.local.sagemaker.hosting import endpoints, models
from dropforge.local.sagemaker.hosting.invoke import Invoker
from dropforge.local.sagemaker.hosting.rollout import Rollout
from dropforge.local.sagemaker.hosting.serving import Place
from dropforge.local.sagemaker.jobs import running, training
from dropforge.local.sagemaker.limits import Limits
from dropforge.local.sagemaker.logs import Logs
from dropforge.local.sagemaker.registry import packages
from dropforge.local.sagemaker.store import Store
from dropforge.local.sagemaker.wire import protocol
from dropforge.local.sagemaker.wire.web import Web


class SageMaker:
    """A SageMaker over one home folder.

    `client` makes boto3 clients that reach S3 and Logs, `emit` publishes a state change (detail type, detail,
    resources); both are called from threads of ours. `asgi` may be served before `start`, which needs S3 to answer.
    """

    def __init__(
        self,
        home: Path,
        *,
        client: Callable[[str], Any],
        emit: Emit,
        speed: float,
        account: str,
        region: str,
        limits: Limits | None = None,
        known: Mapping[str, Path] = images.STAND_INS,
    ) -> None:
        folder = home / "sagemaker"
        folder.mkdir(parents=True, exist_ok=True)
        owner, limit = Account(account, region), (limits or Limits()).scaled(speed)
        self._store = Store(folder / "state.sqlite")
        self._logs = Logs(client)
        self._messenger = Messenger(self._store, emit)
        self._training = running.Training(self._store, folder / "jobs", client, self._logs, known, limit)
        self._rollout = Rollout(self._store, Place(folder / "endpoints", client, self._logs, known, limit))
        self._invoker = Invoker(self._rollout.fleet, owner, limit.invoke)
        registry = packages.Registry(self._store, owner)
        rooms = (
            training.TrainingJobs(self._store, owner, client, known, self._training.launch, self._training.stop),
            registry,
            models.Models(self._store, owner, client, known, registry.container),
            endpoints.Endpoints(self._store, owner, self._rollout.launch),
            tags.Tags(self._store),
        )
        self.operations = {name: each for room in rooms for name, each in room.operations().items()}
        self._web = Web(self.operations, self._invoker)
        self.asgi = self._web

    def start(self) -> None:
        """Resume: jobs cut short are failed truthfully, endpoints serve again. S3 and Logs must answer by now."""
        protocol.service()
        self._logs.start()
        self._messenger.start()
        self._training.resume()
        self._rollout.resume()

    def stop(self) -> None:
        """End every program, keep every state. Call from a thread that does not serve the front."""
        self._training.close()
        self._rollout.close()
        self._logs.stop()
        self._messenger.stop()
        self._web.close()
        self._invoker.close()
        self._store.close()

    def status(self) -> dict[str, Any]:
        """Tell what runs now."""
        return {"jobs": self._training.status(), "endpoints": self._rollout.status()}
