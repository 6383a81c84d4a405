"""One try of a job: from the first byte of input to the last of output."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from botocore.exceptions import ClientError

from dropforge.local.sagemaker import artifacts
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.jobs import container, inputs, metrics, states
from dropforge.local.sagemaker.jobs.hosts import Hosts
from dropforge.local.sagemaker.jobs.steps import End, Steps, failed
from dropforge.local.sagemaker.store import Doc

_STOPPED = End("Stopped", "Stopped")


@dataclass(slots=True)
class Live:
    """A job that runs now."""

    stop: threading.Event = field(default_factory=threading.Event)
    """Somebody wants it stopped, or the cloud ends."""
    closing: Callable[[], bool] = lambda: False
    hosts: Hosts | None = None
    thread: threading.Thread | None = None


class Attempt:
    def __init__(self, ground: Ground, steps: Steps, live: Live, folder: Path) -> None:
        self._ground = ground
        self._steps = steps
        self._live = live
        self._folder = folder

    def run(self) -> End:
        self._wait("Starting")
        if self._live.stop.is_set():
            return _STOPPED
        self._steps.begin()
        job = self._steps.enter("Downloading")
        self._folder.mkdir(parents=True, exist_ok=True)
        hosts = self._live.hosts = Hosts(self._ground, job, self._folder)
        try:
            return self._on(hosts, job)
        finally:
            hosts.close()

    def _on(self, hosts: Hosts, job: Doc) -> End:
        try:
            hosts.bring(self._live.stop.is_set)
        except (inputs.InputError, ClientError) as error:
            return failed(f"ClientError: {error}")
        self._wait("Downloading")
        if self._live.stop.is_set():
            return _STOPPED
        job = self._steps.enter("Training")
        end = self._train(hosts, job)
        return end if self._live.closing() else self._upload(hosts, job, end)

    def _train(self, hosts: Hosts, job: Doc) -> End:
        figures = metrics.read_all(job["AlgorithmSpecification"].get("MetricDefinitions", ()))
        try:
            hosts.start(figures)
            end = self._watch(hosts, job)
            if end.status == "Stopped" and not self._live.closing():
                self._steps.stopping()
            hosts.stop(self._live.closing)
        finally:
            hosts.close()
            final = figures.final()
        if final:
            self._steps.change(lambda doc: doc.update(FinalMetricDataList=final))
        return end

    def _watch(self, hosts: Hosts, job: Doc) -> End:
        """Wait for the end of all programs or the failure of one, for the end of their time, or for a wish to stop."""
        limit = time.monotonic() + job["StoppingCondition"]["MaxRuntimeInSeconds"] - job.get("_ran", 0.0)
        while None in (codes := hosts.look()) and not any(codes):
            if self._live.stop.is_set():
                return _STOPPED
            if time.monotonic() > limit:
                return End("Stopped", "MaxRuntimeExceeded")
            if why := hosts.failure():
                return failed(f"ClientError: {why}")
        if not any(codes):
            return End("Completed", "Completed")
        number, code = next((number, code) for number, code in enumerate(codes) if code)
        tail = f", exit code: {code}"
        said = container.failure(hosts.folders[number])
        return failed(f"AlgorithmError: {said[: container.FAILURE_LENGTH - len(tail) - len('AlgorithmError: ')]}{tail}")

    def _upload(self, hosts: Hosts, job: Doc, end: End) -> End:
        """Upload what the programs left: their model unless one failed, their output in any case."""
        base = f"{job['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{self._steps.name}/output"
        s3 = self._ground.client("s3")
        if end.status == "Completed":
            self._steps.enter("Uploading")
            self._wait("Uploading")
        try:
            model = container.gather(hosts.folders, "ml/model") if end.status != "Failed" else None
            output = container.gather(hosts.folders, "ml/output/data")
            if model and artifacts.pack_and_upload(s3, model, f"{base}/model.tar.gz", self._folder):
                uri = f"{base}/model.tar.gz"
                self._steps.change(lambda doc: doc.update(ModelArtifacts={"S3ModelArtifacts": uri}))
            if output:
                artifacts.pack_and_upload(s3, output, f"{base}/output.tar.gz", self._folder)
        except Exception as error:  # noqa: BLE001 - whatever S3 or the disk says, it is the job's failure and is told as such
            return failed(f"ClientError: Artifact upload failed: {error}")
        return end

    def _wait(self, status: str) -> None:
        """Take the time that AWS takes, unless somebody wants the job stopped."""
        self._live.stop.wait(self._ground.pace.seconds(states.TRAINING, status, self._steps.name))
