"""The hosts of a processing job: each with its share of the inputs, and the folders that are taken from it."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Sequence
from pathlib import Path

from dropforge.local.sagemaker import sandbox
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.jobs import cluster, container, inputs
from dropforge.local.sagemaker.jobs.bounds import Bounds
from dropforge.local.sagemaker.jobs.host import Host
from dropforge.local.sagemaker.jobs.synced import Folder
from dropforge.local.sagemaker.jobs.together import Together
from dropforge.local.sagemaker.logs import PROCESSING_GROUP
from dropforge.local.sagemaker.processing.jobs import PROGRAM
from dropforge.local.sagemaker.sandbox.contract import Place
from dropforge.local.sagemaker.store import Doc

_MESSAGE_LENGTH = 1024


class ProcessingHost(Host):
    """One host while it runs."""

    called, group = "ProcessingJobName", PROCESSING_GROUP

    def __post_init__(self) -> None:
        self._ml = self.folder / "ml"
        _prepare(self._ml, self._job, self._host, self._all)
        self.synced, self.at_end = self._outputs("Continuous"), self._outputs("EndOfJob")

    def start(self, place: Place) -> sandbox.Process:
        application = self._job["AppSpecification"]
        entrypoint = tuple(application.get("ContainerEntrypoint", ())) or self._image.default(PROGRAM) or ()
        arguments = tuple(application.get("ContainerArguments", ()))
        environment = {"AWS_REGION": self._ground.account.region, **self._job.get("Environment", {})}
        return self._run(place, entrypoint, arguments, environment)

    def message(self) -> str:
        """Read what the program left as its last word; nothing where it left none."""
        return container.said(self.folder, "ml/output/message", _MESSAGE_LENGTH).strip()

    def _fetch(self, ended: Callable[[], bool]) -> None:
        s3 = self._ground.client("s3")
        for one in self._job.get("ProcessingInputs", ()):
            side = one["S3Input"]
            place = posixpath.normpath(side["LocalPath"]).removeprefix("/opt/ml/")
            names = ("S3DataType", "S3Uri", "S3DataDistributionType")
            source = {name: side[name] for name in names if side.get(name)}
            channel = {"ChannelName": one["InputName"], "DataSource": {"S3DataSource": source}}
            share = cluster.share(channel, self._host, self._all) or inputs.Share()
            inputs.fetch(s3, channel, self._ml / place, ended, "File", share)

    def _outputs(self, mode: str) -> list[Folder]:
        outputs = self._job.get("ProcessingOutputConfig", {}).get("Outputs", ())
        sides = [one["S3Output"] for one in outputs if one["S3Output"]["S3UploadMode"] == mode]
        return [Folder(self._ground.client, side["S3Uri"], side["LocalPath"], self._ml) for side in sides]


class Hosts(Together[ProcessingHost]):
    """All hosts of a job together."""

    def __init__(self, ground: Ground, bounds: Bounds, job: Doc, home: Path) -> None:
        hosts = cluster.hosts(job["ProcessingResources"]["ClusterConfig"])
        image = ground.images.find(job["AppSpecification"]["ImageUri"])
        each = [ProcessingHost(ground, bounds, job, image, host, hosts, home / host.name) for host in hosts]
        super().__init__(each, image, ground.limits.stop)

    def start(self) -> None:
        self._start(ProcessingHost.start)

    def message(self) -> str:
        return next((said for host in self.each if (said := host.message())), "")

    def take(self, *, whole: bool) -> None:
        """Take what the programs left to S3; of a job that failed only what is taken while it runs."""
        self.watch.end()
        for folder in [folder for host in self.each for folder in host.at_end] if whole else ():
            folder.take()


def _prepare(ml: Path, job: Doc, host: cluster.Host, all_hosts: Sequence[cluster.Host]) -> None:
    """Write what SageMaker writes before it starts the program."""
    for name in ("config", "output", "processing"):
        (ml / name).mkdir(parents=True, exist_ok=True)
    told = {name: value for name, value in job.items() if not name.startswith("_")}
    known = {"current_host": host.name, "hosts": [one.name for one in all_hosts]}
    (ml / "config" / "processingjobconfig.json").write_text(json.dumps(told))
    (ml / "config" / "resourceconfig.json").write_text(json.dumps(known))
