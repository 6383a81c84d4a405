"""Runs training jobs: tries each, and tries it again where its instances were lost or taken away."""

from __future__ import annotations

import logging
from pathlib import Path

from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.jobs import states
from dropforge.local.sagemaker.jobs.attempt import Attempt
from dropforge.local.sagemaker.jobs.bounds import Bounds
from dropforge.local.sagemaker.jobs.capacity import Capacity
from dropforge.local.sagemaker.jobs.steps import INTERRUPTED, KIND, Steps, failed
from dropforge.local.sagemaker.kinds.ends import CUT_SHORT, INTERNAL, End
from dropforge.local.sagemaker.kinds.runs import Live, Runs
from dropforge.local.sagemaker.store import Doc

_WITHOUT_INSTANCES = frozenset({"Starting", "Interrupted", "Restarting", "Stopping"})

logger = logging.getLogger(__name__)


class Training:
    """Runs jobs, each in sandboxes, and tells the store of every step."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.capacity = Capacity(ground.scarce)
        """What instances can be had; a fault takes them away."""
        self.bounds = Bounds()
        self.runs = Runs(ground, KIND, states.TRAINING, self._perform, _goes_on)

    def interrupt(self, name: str) -> bool:
        """Take a job's instances away; False where it does not run.

        On spot instances it gets SIGTERM, and starts again. Others break down: an internal error of SageMaker's, after
        which it is tried again where its RetryStrategy says so.
        """
        runs = name in self.runs.status()
        self.runs.stop(name)  # the store says nothing of its end: its thread knows what that means
        return runs

    def _perform(self, job: Doc, folder: Path, live: Live) -> End:
        told = Steps(self._ground.store, job["TrainingJobName"])
        end = failed(CUT_SHORT) if _had_instances(job) else self._try(told, live, folder)
        while not live.closing() and self._tries_again(told, live, end):
            end = self._try(told, live, folder)
        return end

    def _try(self, told: Steps, live: Live, folder: Path) -> End:
        try:
            if told.job()["SecondaryStatus"] != "Starting":  # it was tried before, perhaps by another life
                told.enter("Starting")
            return Attempt(self._ground, self.capacity, self.bounds, told, live, folder).run()
        except Exception:  # the edge of a try: whatever it was, the job may want another one
            logger.exception("training job %s met an internal error", told.name)
            return failed(INTERNAL)

    def _tries_again(self, told: Steps, live: Live, end: End) -> bool:
        """Prepare the next try after an interruption, or after an internal error where the job asks for retries."""
        if end == INTERRUPTED:
            self.runs.go_on(told.name, live)
            told.enter("Interrupted")
            self.runs.wait("Interrupted", told.name, live)
        elif (end.reason or "").startswith(INTERNAL) and _may_retry(told.job()):
            self.runs.go_on(told.name, live)
            told.enter("Restarting", _tries=told.job().get("_tries", 0) + 1)
        else:
            return False
        return True


def _goes_on(job: Doc) -> bool:
    """Go on with jobs that had no instances yet, or that may be tried again."""
    return job["TrainingJobStatus"] != "Stopping" and (not _had_instances(job) or _may_retry(job))


def _had_instances(job: Doc) -> bool:
    """Tell of a job that no thread performs yet whether it was cut short while it had instances."""
    return job["SecondaryStatus"] not in _WITHOUT_INSTANCES


def _may_retry(job: Doc) -> bool:
    most = (job.get("RetryStrategy") or {}).get("MaximumRetryAttempts", 0)
    return bool(job.get("_tries", 0) < most)
