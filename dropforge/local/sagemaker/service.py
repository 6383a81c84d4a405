"""SageMaker as one thing: makes its rooms, starts and stops them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dropforge.local import apis
from dropforge.local.sagemaker import tags
from dropforge.local.sagemaker.account import Account
from dropforge.local.sagemaker.events import Emit, Messenger
from dropforge.local.sagemaker.ground import Ground, plenty
from dropforge.local.sagemaker.hosting import endpoints, models
from dropforge.local.sagemaker.hosting import states as hosting
from dropforge.local.sagemaker.hosting.figures import Figures
from dropforge.local.sagemaker.hosting.invoke import Invoker
from dropforge.local.sagemaker.hosting.queueing import Queue
from dropforge.local.sagemaker.hosting.rollout import Rollout
from dropforge.local.sagemaker.images import STAND_INS, Images, StandIn
from dropforge.local.sagemaker.jobs import running, training
from dropforge.local.sagemaker.jobs import states as jobs
from dropforge.local.sagemaker.kinds.runs import Runs
from dropforge.local.sagemaker.labelling import jobs as labelling
from dropforge.local.sagemaker.labelling import states as labelling_states
from dropforge.local.sagemaker.labelling.running import Labelling
from dropforge.local.sagemaker.limits import Limits
from dropforge.local.sagemaker.logs import Logs
from dropforge.local.sagemaker.processing import jobs as processing
from dropforge.local.sagemaker.processing import states as processing_states
from dropforge.local.sagemaker.processing.running import Processing
from dropforge.local.sagemaker.registry import packages
from dropforge.local.sagemaker.registry import states as registry
from dropforge.local.sagemaker.scaling.service import Scaling
from dropforge.local.sagemaker.scaling.targets import EXACT, Scaled
from dropforge.local.sagemaker.states import AT_ONCE, Graph, Pace
from dropforge.local.sagemaker.store import Store
from dropforge.local.sagemaker.transform import jobs as transform
from dropforge.local.sagemaker.transform import states as transform_states
from dropforge.local.sagemaker.transform.running import Transform
from dropforge.local.sagemaker.tuning import jobs as tuning
from dropforge.local.sagemaker.tuning import states as tuning_states
from dropforge.local.sagemaker.tuning.running import Tuning
from dropforge.local.sagemaker.wire import protocol
from dropforge.local.sagemaker.wire.web import Web

GRAPHS: Mapping[str, Graph] = {
    training.KIND.name: jobs.TRAINING,
    processing.KIND.name: processing_states.PROCESSING,
    transform.KIND.name: transform_states.TRANSFORM,
    tuning.KIND.name: tuning_states.TUNING,
    labelling.KIND.name: labelling_states.LABELLING,
    endpoints.KIND: hosting.ENDPOINT,
    packages.GROUP: registry.GROUP,
    packages.PACKAGE: registry.PACKAGE,
}


class SageMaker:
    """A SageMaker over one home folder.

    `client` makes boto3 clients that reach S3 and Logs, `emit` publishes a state change (detail type, detail,
    resources); both are called from threads of ours. `speed` scales the limits that a cloud sets (limits.py), `pace`
    the time that AWS takes for what needs none here (states.py); `memory` is what each program may have, in bytes
    (None: sandbox/machine.py). `asgi` may be served before `start`, which needs S3 to answer.
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
        pace: Pace = AT_ONCE,
        scarce: Callable[[str], bool] = plenty,
        known: Mapping[str, StandIn] = STAND_INS,
        memory: int | None = None,
    ) -> None:
        folder = home / "sagemaker"
        folder.mkdir(parents=True, exist_ok=True)
        self._logs = Logs(client)
        ground = self._ground = Ground(
            home=folder,
            store=Store(folder / "state.sqlite", GRAPHS, EXACT),
            account=Account(account, region),
            client=client,
            logs=self._logs,
            images=Images(known, folder),
            limits=(limits or Limits()).scaled(speed),
            pace=pace,
            scarce=scarce,
            memory=memory,
        )
        ground.images.sweep()  # before the rooms tidy the folders that orphans may still write to
        self._messenger = Messenger(ground.store, emit)
        self._training = running.Training(ground)
        train = self._training.runs
        trained = training.TrainingJobs(ground, train.launch, train.stop)
        process, batch = Processing(ground).runs, Transform(ground).runs
        tune, label = Tuning(ground, trained.create, trained.stop).runs, Labelling(ground).runs
        scaled = Scaled(ground.store)
        self._rollout = Rollout(ground, scaled.forget)
        self._figures = Figures(client)
        self._kinds: tuple[Runs, ...] = (train, process, batch, tune, label)
        self._queue = Queue(ground, self._rollout.route, self._figures)
        self._invoker = Invoker(ground, self._rollout.route, self._figures, self._queue)
        versions = packages.Registry(ground)
        served = endpoints.Endpoints(ground, self._rollout.launch, scaled)
        self.scaling = Scaling(ground, served.reweigh, self._figures.rate)
        """Application Auto Scaling; its `asgi` is a service of its own."""
        rooms = (
            trained,
            processing.ProcessingJobs(ground, process.launch, process.stop),
            transform.TransformJobs(ground, batch.launch, batch.stop),
            tuning.TuningJobs(ground, tune.launch, tune.stop),
            labelling.LabellingJobs(ground, label.launch, label.stop),
            versions,
            models.Models(ground, versions.container),
            served,
            tags.Tags(ground),
        )
        self.operations = {name: each for room in rooms for name, each in room.operations().items()}
        self._web = Web(self.operations, self._invoker)
        self.asgi = self._web

    def start(self) -> None:
        """Resume: jobs cut short are failed truthfully, endpoints serve again. S3 and Logs must answer by now."""
        apis.service(protocol.SAGEMAKER)
        self._logs.start()
        self._figures.start()
        self._messenger.start()
        for kind in self._kinds:
            kind.resume()
        self._rollout.resume()
        self._queue.start()
        self.scaling.start()

    def stop(self) -> None:
        """End every program, keep every state. Call from a thread that does not serve the front."""
        self.scaling.stop()
        for kind in reversed(self._kinds):
            kind.close()
        self._queue.stop()
        self._rollout.close()
        self._queue.join()
        self._figures.close()
        self._logs.stop()
        self._messenger.stop()
        self._web.close()
        self._invoker.close()
        self._ground.store.close()

    def interrupt(self, job: str) -> bool:
        """Take the instances of a training job away; tells whether it runs."""
        return self._training.interrupt(job)

    def status(self) -> dict[str, Any]:
        """Tell what runs now."""
        jobs = [name for kind in self._kinds for name in kind.status()]
        return {"jobs": jobs, "endpoints": self._rollout.status()}
