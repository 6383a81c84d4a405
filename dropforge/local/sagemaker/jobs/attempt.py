"""One try of a job: from the first byte of input to the last of output."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from dropforge.local.sagemaker import removal
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.jobs import capacity, cluster, container, inputs, metrics, states
from dropforge.local.sagemaker.jobs.bounds import OUT_OF_MEMORY, Bounds
from dropforge.local.sagemaker.jobs.capacity import Capacity
from dropforge.local.sagemaker.jobs.hosts import Hosts
from dropforge.local.sagemaker.jobs.outputs import Outputs
from dropforge.local.sagemaker.jobs.steps import INTERRUPTED, STOPPED, Steps, exceeded, failed
from dropforge.local.sagemaker.jobs.synced import SyncError
from dropforge.local.sagemaker.kinds.ends import INTERNAL, End
from dropforge.local.sagemaker.kinds.runs import Live
from dropforge.local.sagemaker.sandbox import ImageError
from dropforge.local.sagemaker.store import Doc

_GLANCE = 0.05
_COUNT = 1.0


class Attempt:
    def __init__(
        self, ground: Ground, capacity: Capacity, bounds: Bounds, told: Steps, live: Live, folder: Path
    ) -> None:
        self._ground = ground
        self._bounds = bounds
        self._capacity = capacity
        self._steps = told
        self._live = live
        self._folder = folder
        job = told.job()
        self._spot = bool(job.get("EnableManagedSpotTraining"))
        self._deadline = (
            job["CreationTime"] + job["StoppingCondition"]["MaxWaitTimeInSeconds"] if self._spot else math.inf
        )

    def run(self) -> End:
        """Run the job once; a try that ends otherwise than the job may is told by its End."""
        if end := self._launch():
            if end.status == "Stopped" and not self._live.closing():
                self._steps.stopping(end)
            return end
        job = self._steps.begin()
        try:
            removal.remove(self._folder)
            self._folder.mkdir(parents=True)
            with closing(Hosts(self._ground, self._bounds, job, self._folder)) as hosts:
                return self._on(hosts, job)
        finally:
            self._steps.count()

    def _launch(self) -> End | None:
        """Wait for instances; gives the end where there are none to be had."""
        types = {host.instance_type for host in cluster.hosts(self._steps.job()["ResourceConfig"])}
        while self._capacity.lacks(types):
            if not self._spot:
                return failed(capacity.LACKING)
            self._steps.say(capacity.WAITING)
            if self._live.stop.wait(_GLANCE):
                return self._called_away()
            if time.time() > self._deadline:
                return exceeded("MaxWaitTimeExceeded")
        self._steps.say("Preparing the instances for training")
        self._wait("Starting")
        if self._live.stop.is_set():
            return self._called_away()
        return exceeded("MaxWaitTimeExceeded") if time.time() > self._deadline else None

    def _on(self, hosts: Hosts, job: Doc) -> End:
        try:
            hosts.bring(self._live.stop.is_set)
        except (inputs.InputError, ImageError, BotoCoreError, ClientError, OSError) as error:
            return failed(f"ClientError: {error}")
        self._wait("Downloading")
        if self._live.stop.is_set():
            return self._called_away()
        job = self._steps.enter("Training")
        try:
            end = self._train(hosts, job)
        except ImageError as error:
            return failed(f"ClientError: {error}")
        gone = self._live.closing() or end == INTERRUPTED or end.reason == INTERNAL
        return end if gone else self._upload(hosts, job, end)

    def _train(self, hosts: Hosts, job: Doc) -> End:
        figures = metrics.read_all(
            job["AlgorithmSpecification"].get("MetricDefinitions", ()), self._steps.name, self._ground.client
        )
        try:
            hosts.start(figures)
            end = self._watch(hosts, job)
            if end.status == "Stopped" and not self._live.closing():
                self._steps.stopping(end)
            if self._live.closing() or end.reason == INTERNAL:  # nobody waits for them, or they are gone
                hosts.kill()
            else:
                hosts.stop(self._live.closing)
                end = self._keep(hosts, end)
        finally:
            hosts.close()
            final = figures.final()
        if final:
            self._steps.change(lambda doc: doc.update(FinalMetricDataList=final))
        return end

    def _keep(self, hosts: Hosts, end: End) -> End:
        """Take the last checkpoints; what cannot be taken fails the job."""
        if self._live.closing():
            return end
        try:
            hosts.watch.end()
        except (SyncError, Boto3Error, BotoCoreError, ClientError, OSError) as error:
            return failed(f"ClientError: Checkpoint upload failed: {error}")
        return end

    def _watch(self, hosts: Hosts, job: Doc) -> End:
        """Wait for the end of all programs or the failure of one, for the end of their time, or for a wish to stop."""
        limit = time.monotonic() + job["StoppingCondition"]["MaxRuntimeInSeconds"] - job.get("_ran", 0.0)
        while None in (codes := hosts.look()) and not any(codes):
            if self._live.stop.is_set():
                return self._called_away()
            if time.time() > self._deadline:
                return exceeded("MaxWaitTimeExceeded")
            if time.monotonic() > limit:
                return exceeded("MaxRuntimeExceeded")
            if why := hosts.failure():
                return failed(f"ClientError: {why}")
            self._steps.count(_COUNT)
        if not any(codes):
            why = hosts.failure()
            return failed(f"ClientError: {why}") if why else End("Completed")
        return _blamed(hosts, codes)

    def _upload(self, hosts: Hosts, job: Doc, end: End) -> End:
        """Upload what the programs left: their model unless one failed, their output in any case."""
        if end.status != "Stopped":
            self._steps.enter("Uploading")
            self._wait("Uploading")
        try:
            outputs = Outputs(self._ground.client("s3"), job, hosts.folders, self._folder)
            if end.status != "Failed" and (uri := outputs.model()):
                self._steps.change(lambda doc: doc.update(ModelArtifacts={"S3ModelArtifacts": uri}))
            outputs.data()
        except Exception as error:  # noqa: BLE001 - whatever S3 or the disk says, it is the job's failure and is told as such
            return failed(f"ClientError: Artifact upload failed: {error}")
        return end

    def _called_away(self) -> End:
        """Say how a try that is to leave what it does ends; a wish to stop is above all else."""
        if self._live.closing() or self._steps.job()["_stop"]:
            return STOPPED
        return INTERRUPTED if self._spot else failed(INTERNAL)

    def _wait(self, status: str) -> None:
        """Take the time that AWS takes, unless somebody wants the job stopped."""
        self._live.stop.wait(self._ground.pace.seconds(states.TRAINING, status, self._steps.name))


def _blamed(hosts: Hosts, codes: Sequence[int | None]) -> End:
    """Say how the first program failed that did."""
    if hosts.out_of_memory():
        return failed(OUT_OF_MEMORY)
    number, code = next((number, code) for number, code in enumerate(codes) if code)
    tail = f", exit code: {code}"
    said = container.failure(hosts.folders[number])
    return failed(f"AlgorithmError: {said[: container.FAILURE_LENGTH - len(tail) - len('AlgorithmError: ')]}{tail}")
