"""Runs processing jobs: inputs brought, the program run on every host, outputs taken."""

from __future__ import annotations

import time
from pathlib import Path

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.jobs import inputs
from dropforge.local.sagemaker.jobs.bounds import OUT_OF_MEMORY, Bounds
from dropforge.local.sagemaker.jobs.capacity import LACKING
from dropforge.local.sagemaker.jobs.synced import SyncError
from dropforge.local.sagemaker.kinds.ends import CutShortError, End
from dropforge.local.sagemaker.kinds.runs import Live, Runs
from dropforge.local.sagemaker.processing import states
from dropforge.local.sagemaker.processing.hosts import Hosts
from dropforge.local.sagemaker.processing.jobs import KIND
from dropforge.local.sagemaker.sandbox import ImageError
from dropforge.local.sagemaker.store import Doc, Event

_STOPPED = End("Stopped")
_OUT_OF_TIME = End("Stopped", "ClientError: The job ran longer than MaxRuntimeInSeconds.")
_SEE_LOGS = "AlgorithmError: See job logs for more information"


class Processing:
    """Runs jobs, each host in a sandbox."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.bounds = Bounds()
        self.runs = Runs(ground, KIND, states.PROCESSING, self._perform)

    def _perform(self, job: Doc, folder: Path, live: Live) -> End:
        self.runs.wait("Starting", job["ProcessingJobName"], live)
        if live.stop.is_set():
            return self._stopped()
        if self._ground.scarce(job["ProcessingResources"]["ClusterConfig"]["InstanceType"]):
            return End("Failed", LACKING)
        self.runs.change(job["ProcessingJobName"], lambda doc: doc.update(ProcessingStartTime=time.time()), told=True)
        hosts = Hosts(self._ground, self.bounds, job, folder)
        try:
            return self._on(hosts, job, live)
        finally:
            hosts.close()

    def _on(self, hosts: Hosts, job: Doc, live: Live) -> End:
        try:
            hosts.bring(live.stop.is_set)
        except (inputs.InputError, ImageError, BotoCoreError, ClientError, OSError) as error:
            return End("Failed", f"ClientError: {error}")
        if live.stop.is_set():
            return self._stopped()
        try:
            hosts.start()
        except ImageError as error:
            return End("Failed", f"ClientError: {error}")
        end = self._watch(hosts, job, live)
        if end is _OUT_OF_TIME:
            self._say_so(job["ProcessingJobName"])
        hosts.stop(self.runs.closing.is_set)
        if self.runs.closing.is_set():
            raise CutShortError
        return self._stopped(_take(hosts, end)) if live.stop.is_set() else _take(hosts, end)

    def _watch(self, hosts: Hosts, job: Doc, live: Live) -> End:
        """Wait for the end of all programs or the failure of one, for the end of their time, or for a wish to stop."""
        limit = time.monotonic() + job["StoppingCondition"]["MaxRuntimeInSeconds"]
        while None in (codes := hosts.look()) and not any(codes):
            if live.stop.is_set():
                return _STOPPED
            if time.monotonic() > limit:
                return _OUT_OF_TIME
            if why := hosts.failure():
                return End("Failed", f"ClientError: {why}")
        if any(codes):
            return End("Failed", OUT_OF_MEMORY if hosts.out_of_memory() else _SEE_LOGS)
        why = hosts.failure()
        return End("Failed", f"ClientError: {why}") if why else End("Completed")

    def _say_so(self, name: str) -> None:
        """Say that the job is being stopped, though nobody may have asked for it; another life knows what for."""

        def step(doc: Doc) -> list[Event]:
            asked = doc["ProcessingJobStatus"] == "Stopping"  # nobody is told twice
            doc |= {"ProcessingJobStatus": "Stopping", "FailureReason": _OUT_OF_TIME.reason}
            doc |= {"LastModifiedTime": time.time()}
            return [] if asked else [KIND.event(doc)]

        self._ground.store.change(KIND.name, name, step)

    def _stopped(self, end: End = _STOPPED) -> End:
        if self.runs.closing.is_set():
            raise CutShortError
        return end


def _take(hosts: Hosts, end: End) -> End:
    """Take what the programs left."""
    message = hosts.message()
    told: Doc = {"ExitMessage": message} if message else {}
    try:
        hosts.take(whole=end.status != "Failed")
    except (SyncError, Boto3Error, BotoCoreError, ClientError, OSError) as error:
        return End("Failed", f"ClientError: Output upload failed: {error}", told)
    return End(end.status, end.reason, told)
