"""The hosts of one try of a job: each a sandbox with its own files, pipes and log, all of one network."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from dropforge.local.sagemaker import sandbox, source
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.jobs import cluster, container, inputs, metrics, synced
from dropforge.local.sagemaker.jobs.bounds import Bounds
from dropforge.local.sagemaker.jobs.channels.pipes import Pipe
from dropforge.local.sagemaker.jobs.cluster import Host
from dropforge.local.sagemaker.jobs.together import Together
from dropforge.local.sagemaker.logs import TRAINING_GROUP, Stream
from dropforge.local.sagemaker.sandbox.contract import Image, Place
from dropforge.local.sagemaker.store import Doc

_LAST_LINES_SECONDS = 10
_LONGEST_LINE = 64 * 1024  # bytes; a longer one is passed on in parts


class Running:
    """One host while it runs."""

    def __init__(
        self,
        ground: Ground,
        bounds: Bounds,
        job: Doc,
        image: Image,
        host: Host,
        all_hosts: Sequence[Host],
        folder: Path,
    ) -> None:
        self.folder = folder
        self._bounds = bounds
        self._written = 0
        self.name = host.name
        self._ground = ground
        self._job = job
        self._image = image
        self._shares = [
            (channel, share)
            for channel in job.get("InputDataConfig", ())
            if (share := cluster.share(channel, host, all_hosts))
        ]
        self._mode = job["AlgorithmSpecification"]["TrainingInputMode"]
        self._pipes: list[Pipe] = []
        self._reader: threading.Thread | None = None
        self._stream: Stream | None = None
        self.process: sandbox.Process | None = None
        container.prepare(folder, job, host, all_hosts)
        self._checkpoints = synced.checkpoints(ground.client, job, folder / "ml")
        self.synced = [*self._checkpoints, *synced.tensorboard(ground.client, job, folder / "ml")]

    def bring(self, stopped: Callable[[], bool]) -> None:
        """Bring the host's input; InputError or the client's own error where it cannot be had."""

        def ended() -> bool:
            if why := self._bounds.full(self.folder):
                raise inputs.InputError(f"Data download failed: {why}")
            return stopped()

        self._image.bring(ended)
        s3 = self._ground.client("s3")
        data = self.folder / "ml" / "input" / "data"
        for channel, share in self._shares:
            inputs.fetch(s3, channel, data / channel["ChannelName"], ended, self._mode, share)
        for folder in self._checkpoints:
            folder.bring(ended)
        source.bring(s3, self._job.get("HyperParameters", {}), source.HYPERPARAMETER, self.folder)

    def start(self, place: Place, figures: metrics.Metrics) -> sandbox.Process:
        data = self.folder / "ml" / "input" / "data"
        for channel, share in self._shares:
            self._pipes += inputs.pipes(self._ground.client, [channel], data, self.folder, self._mode, share)
        entrypoint, arguments = container.command(self._job)
        self.process = place.start(
            sandbox.Spec(
                arguments,
                self.folder,
                container.environment(self._job),
                entrypoint=entrypoint,
                hidden=(self._ground.home,),
            )
        )
        name = f"{self._job['TrainingJobName']}/{self.name}-{int(self._job['CreationTime'])}"
        self._stream = self._ground.logs.open(TRAINING_GROUP, name)
        self._reader = threading.Thread(
            target=self._read, args=(self.process, self._stream, figures), name=f"log-{name}", daemon=True
        )
        self._reader.start()
        for pipe in self._pipes:
            pipe.start()
        return self.process

    def failure(self) -> str | None:
        """Say why this host cannot go on: its data, its disk, or its log."""
        data = next((pipe.failure for pipe in self._pipes if pipe.failure), None)
        return data or self._bounds.full(self.folder) or self._bounds.flooded(self._written)

    def close(self) -> None:
        """End everything of this host, and send its last lines; once more does nothing."""
        if self.process:
            self.process.kill()
            self.process.wait()
        while self._pipes:
            self._pipes.pop().stop()
        reader, self._reader = self._reader, None
        if reader and self._stream:
            reader.join(_LAST_LINES_SECONDS)
            self._ground.logs.close(self._stream)

    def _read(self, process: sandbox.Process, stream: Stream, figures: metrics.Metrics) -> None:
        """Pass on what the program writes, line by line as it writes it, until it is too much."""
        with process.output as output, suppress(ValueError):
            while line := output.readline(_LONGEST_LINE):
                self._written += len(line)
                if not self._bounds.flooded(self._written):
                    stream.write(line.decode(errors="replace").rstrip("\r\n"))
                    figures.read(line)


class Hosts(Together):
    """All hosts of a try together."""

    def __init__(self, ground: Ground, bounds: Bounds, job: Doc, folder: Path) -> None:
        all_hosts = cluster.hosts(job["ResourceConfig"])
        image = ground.images.find(job["AlgorithmSpecification"]["TrainingImage"])
        self.each = [Running(ground, bounds, job, image, host, all_hosts, folder / host.name) for host in all_hosts]
        super().__init__(self.each, image, ground.limits.stop)
        self.watch = synced.Watch([])

    @property
    def folders(self) -> list[Path]:
        return [host.folder for host in self.each]

    def start(self, figures: metrics.Metrics) -> None:
        """Start the program on every host, on none before all can be reached."""
        started = [host.start(place, figures) for host, place in zip(self.each, self._places(), strict=True)]
        self.watch = synced.Watch([folder for host in self.each for folder in host.synced])
        self._begin(started)

    def close(self) -> None:
        self.watch.stop()
        super().close()
