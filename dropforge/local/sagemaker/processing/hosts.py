"""The hosts of a processing job: each a sandbox with its own share of the inputs, all of one network."""

from __future__ import annotations

import json
import posixpath
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from dropforge.local.sagemaker import sandbox
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.jobs import cluster, container, inputs
from dropforge.local.sagemaker.jobs.bounds import Bounds
from dropforge.local.sagemaker.jobs.synced import Folder, Watch
from dropforge.local.sagemaker.jobs.together import Together
from dropforge.local.sagemaker.logs import PROCESSING_GROUP, Stream
from dropforge.local.sagemaker.processing.jobs import PROGRAM
from dropforge.local.sagemaker.sandbox.contract import Image, Place
from dropforge.local.sagemaker.store import Doc

_LAST_LINES_SECONDS = 10
_LONGEST_LINE = 64 * 1024  # bytes; a longer one is passed on in parts
_MESSAGE_LENGTH = 1024


class Running:
    """One host while it runs."""

    def __init__(
        self,
        ground: Ground,
        bounds: Bounds,
        job: Doc,
        image: Image,
        host: cluster.Host,
        all_hosts: Sequence[cluster.Host],
        home: Path,
    ) -> None:
        self.name = host.name
        self.folder = home / host.name
        self.process: sandbox.Process | None = None
        self._ground = ground
        self._bounds = bounds
        self._job = job
        self._image = image
        self._all = all_hosts
        self._host = host
        self._ml = self.folder / "ml"
        self._written = 0
        self._log: tuple[threading.Thread, Stream] | None = None
        _prepare(self._ml, job, host, all_hosts)
        self.continuous, self.at_end = self._outputs("Continuous"), self._outputs("EndOfJob")

    def bring(self, stopped: Callable[[], bool]) -> None:
        """Bring the host's inputs; InputError or the client's own error where they cannot be had."""

        def ended() -> bool:
            if why := self._bounds.full(self.folder):
                raise inputs.InputError(f"Data download failed: {why}")
            return stopped()

        self._image.bring(ended)
        s3 = self._ground.client("s3")
        for one in self._job.get("ProcessingInputs", ()):
            side = one["S3Input"]
            place = posixpath.normpath(side["LocalPath"]).removeprefix("/opt/ml/")
            names = ("S3DataType", "S3Uri", "S3DataDistributionType")
            source = {name: side[name] for name in names if side.get(name)}
            channel = {"ChannelName": one["InputName"], "DataSource": {"S3DataSource": source}}
            share = cluster.share(channel, self._host, self._all) or inputs.Share()
            inputs.fetch(s3, channel, self._ml / place, ended, "File", share)

    def start(self, place: Place) -> sandbox.Process:
        application = self._job["AppSpecification"]
        entrypoint = tuple(application.get("ContainerEntrypoint", ())) or self._image.default(PROGRAM) or ()
        arguments = tuple(application.get("ContainerArguments", ()))
        environment = {"AWS_REGION": self._ground.account.region, **self._job.get("Environment", {})}
        self.process = place.start(
            sandbox.Spec(arguments, self.folder, environment, entrypoint=entrypoint, hidden=(self._ground.home,))
        )
        name = f"{self._job['ProcessingJobName']}/{self.name}-{int(self._job['CreationTime'])}"
        stream = self._ground.logs.open(PROCESSING_GROUP, name)
        reader = threading.Thread(target=self._read, args=(self.process, stream), name=f"log-{name}", daemon=True)
        reader.start()
        self._log = (reader, stream)
        return self.process

    def failure(self) -> str | None:
        """Say why this host cannot go on: its disk, or its log."""
        return self._bounds.full(self.folder) or self._bounds.flooded(self._written)

    def message(self) -> str:
        """Read what the program left as its last word; nothing where it left none."""
        return container.said(self.folder, "ml/output/message", _MESSAGE_LENGTH).strip()

    def close(self) -> None:
        """End everything of this host, and send its last lines; once more does nothing."""
        if self.process:
            self.process.kill()
            self.process.wait()
        log, self._log = self._log, None
        if log:
            log[0].join(_LAST_LINES_SECONDS)
            self._ground.logs.close(log[1])

    def _outputs(self, mode: str) -> list[Folder]:
        outputs = self._job.get("ProcessingOutputConfig", {}).get("Outputs", ())
        sides = [one["S3Output"] for one in outputs if one["S3Output"]["S3UploadMode"] == mode]
        return [Folder(self._ground.client, side["S3Uri"], side["LocalPath"], self._ml) for side in sides]

    def _read(self, process: sandbox.Process, stream: Stream) -> None:
        """Pass on what the program writes, line by line as it writes it, until it is too much."""
        with process.output as output, suppress(ValueError):
            while line := output.readline(_LONGEST_LINE):
                self._written += len(line)
                if not self._bounds.flooded(self._written):
                    stream.write(line.decode(errors="replace").rstrip("\r\n"))


class Hosts(Together):
    """All hosts of a job together."""

    def __init__(self, ground: Ground, bounds: Bounds, job: Doc, home: Path) -> None:
        all_hosts = cluster.hosts(job["ProcessingResources"]["ClusterConfig"])
        image = ground.images.find(job["AppSpecification"]["ImageUri"])
        self.each = [Running(ground, bounds, job, image, host, all_hosts, home) for host in all_hosts]
        super().__init__(self.each, image, ground.limits.stop)
        self._watch = Watch([])

    def start(self) -> None:
        """Start the program on every host, on none before all can be reached."""
        started = [host.start(place) for host, place in zip(self.each, self._places(), strict=True)]
        self._watch = Watch([folder for host in self.each for folder in host.continuous])
        self._begin(started)

    def message(self) -> str:
        return next((said for host in self.each if (said := host.message())), "")

    def take(self, *, whole: bool) -> None:
        """Take what the programs left to S3; of a job that failed only what is taken while it runs."""
        self._watch.end()
        for folder in [folder for host in self.each for folder in host.at_end] if whole else ():
            folder.take()

    def close(self) -> None:
        self._watch.stop()
        super().close()


def _prepare(ml: Path, job: Doc, host: cluster.Host, all_hosts: Sequence[cluster.Host]) -> None:
    """Write what SageMaker writes before it starts the program."""
    for name in ("config", "output", "processing"):
        (ml / name).mkdir(parents=True, exist_ok=True)
    told = {name: value for name, value in job.items() if not name.startswith("_")}
    known = {"current_host": host.name, "hosts": [one.name for one in all_hosts]}
    (ml / "config" / "processingjobconfig.json").write_text(json.dumps(told))
    (ml / "config" / "resourceconfig.json").write_text(json.dumps(known))
