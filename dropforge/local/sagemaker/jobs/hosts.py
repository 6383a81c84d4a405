"""The hosts of one try of a training job: each with its channels, its pipes and its checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dropforge.local.sagemaker import sandbox, source
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.jobs import cluster, container, inputs, metrics, synced
from dropforge.local.sagemaker.jobs.bounds import Bounds
from dropforge.local.sagemaker.jobs.channels.pipes import Pipe
from dropforge.local.sagemaker.jobs.host import Host
from dropforge.local.sagemaker.jobs.together import Together
from dropforge.local.sagemaker.logs import TRAINING_GROUP
from dropforge.local.sagemaker.sandbox.contract import Place
from dropforge.local.sagemaker.store import Doc


class TrainingHost(Host):
    """One host while it runs."""

    called, group = "TrainingJobName", TRAINING_GROUP

    def __post_init__(self) -> None:
        self._shares = [
            (channel, share)
            for channel in self._job.get("InputDataConfig", ())
            if (share := cluster.share(channel, self._host, self._all))
        ]
        self._mode = self._job["AlgorithmSpecification"]["TrainingInputMode"]
        self._data = self.folder / "ml" / "input" / "data"
        self._pipes: list[Pipe] = []
        container.prepare(self.folder, self._job, self._host, self._all)
        client, ml = self._ground.client, self.folder / "ml"
        self._checkpoints = synced.checkpoints(client, self._job, ml)
        self.synced = [*self._checkpoints, *synced.tensorboard(client, self._job, ml)]

    def start(self, place: Place, figures: metrics.Metrics) -> sandbox.Process:
        client = self._ground.client
        for channel, share in self._shares:
            self._pipes += inputs.pipes(client, [channel], self._data, self.folder, self._mode, share)
        entrypoint, arguments = container.command(self._job)
        process = self._run(place, entrypoint, arguments, container.environment(self._job), figures.read)
        for pipe in self._pipes:
            pipe.start()
        return process

    def failure(self) -> str | None:
        """Say why this host cannot go on: its data, its disk, or its log."""
        return next((pipe.failure for pipe in self._pipes if pipe.failure), None) or super().failure()

    def close(self) -> None:
        self.kill()
        while self._pipes:
            self._pipes.pop().stop()
        super().close()

    def _fetch(self, ended: Callable[[], bool]) -> None:
        s3 = self._ground.client("s3")
        for channel, share in self._shares:
            inputs.fetch(s3, channel, self._data / channel["ChannelName"], ended, self._mode, share)
        for folder in self._checkpoints:
            folder.bring(ended)
        source.bring(s3, self._job.get("HyperParameters", {}), source.HYPERPARAMETER, self.folder)


class Hosts(Together[TrainingHost]):
    """All hosts of a try together."""

    def __init__(self, ground: Ground, bounds: Bounds, job: Doc, folder: Path) -> None:
        hosts = cluster.hosts(job["ResourceConfig"])
        image = ground.images.find(job["AlgorithmSpecification"]["TrainingImage"])
        each = [TrainingHost(ground, bounds, job, image, host, hosts, folder / host.name) for host in hosts]
        super().__init__(each, image, ground.limits.stop)

    @property
    def folders(self) -> list[Path]:
        return [host.folder for host in self.each]

    def start(self, figures: metrics.Metrics) -> None:
        self._start(lambda host, place: host.start(place, figures))
