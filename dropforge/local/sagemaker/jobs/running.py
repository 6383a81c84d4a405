"""Runs training jobs: one thread each, from their start to their end."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from dropforge.local.sagemaker import removal
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.jobs import states, steps
from dropforge.local.sagemaker.jobs.attempt import Attempt
from dropforge.local.sagemaker.jobs.bounds import Bounds
from dropforge.local.sagemaker.jobs.capacity import Capacity
from dropforge.local.sagemaker.jobs.live import INTERRUPTED, STOPPED, Live
from dropforge.local.sagemaker.jobs.steps import End, Steps
from dropforge.local.sagemaker.store import Doc

_WITHOUT_INSTANCES = frozenset({"Starting", "Interrupted", "Restarting"})

logger = logging.getLogger(__name__)


class Training:
    """Runs jobs, each in sandboxes, and tells the store of every step."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._home = ground.home / "jobs"
        self._live: dict[str, Live] = {}
        self._closing = threading.Event()
        unfinished = ground.store.select("kind = ? AND status IN (?, ?)", (steps.KIND, "InProgress", "Stopping"))
        self.capacity = Capacity(ground.scarce)
        """What instances can be had; a fault takes them away."""
        self.bounds = Bounds()
        self._remains = list(self._home.iterdir()) if self._home.is_dir() else []
        self._left = [row.name for row in unfinished]  # known before the first call of this life

    def launch(self, name: str, before: End | None = None) -> None:
        """Run a job; `before` is how the try ended that a former life of the cloud began."""
        live = self._live[name] = Live(closing=self._closing.is_set)
        if Steps(self._ground.store, name).job().get("_stop"):  # wished before anybody could be told
            live.stop()
        live.thread = threading.Thread(target=self._thread, args=(name, live, before), name=f"job-{name}", daemon=True)
        live.thread.start()

    def stop(self, name: str) -> None:
        """Wake the job's thread: the store says already that it is to stop."""
        if live := self._live.get(name):
            live.stop()

    def interrupt(self, name: str) -> bool:
        """Take a job's instances away; False where it does not run.

        On spot instances it gets SIGTERM, and starts again. Others break down: an internal error of SageMaker's, after
        which it is tried again where its RetryStrategy says so.
        """
        live = self._live.get(name)
        if live is None:
            return False
        if Steps(self._ground.store, name).job().get("EnableManagedSpotTraining"):
            live.interrupt()
        else:
            live.lose()
        return True

    def resume(self) -> None:
        """Tell the truth about jobs that a former life of the cloud left unfinished.

        They are lost, or tried again where they ask for it; those that had no instance yet are started.
        """
        for folder in self._remains:
            removal.remove(folder)
        for name in self._left:
            told = Steps(self._ground.store, name)
            job = told.job()
            cut = steps.failed(steps.CUT_SHORT)
            if job["TrainingJobStatus"] == "Stopping":
                told.finish(STOPPED)
            elif job["SecondaryStatus"] in _WITHOUT_INSTANCES and "_since" not in job:
                if job["SecondaryStatus"] != "Starting":
                    told.enter("Starting")
                self.launch(name)
            elif _may_retry(job):
                told.pause()
                self.launch(name, cut)
            else:
                told.finish(cut)

    def close(self) -> None:
        """Kill what runs; the next start will say that these jobs were cut short."""
        self._closing.set()
        for live in list(self._live.values()):
            live.stop()
            if live.hosts:
                live.hosts.kill()
        for live in list(self._live.values()):
            if live.thread:
                live.thread.join(5)

    def status(self) -> list[str]:
        return sorted(self._live)

    def _thread(self, name: str, live: Live, before: End | None) -> None:
        told = Steps(self._ground.store, name)
        folder = self._home / name
        try:
            if told.job().get("_stop"):  # wished before this thread was there
                live.stop()
            end = before or self._try(told, live, folder)
            while not self._closing.is_set() and self._tries_again(told, live, end):
                end = self._try(told, live, folder)
            self._finish(told, end)
        except Exception:  # the edge of the thread: what cannot be told of has failed
            logger.exception("training job %s met an internal error", name)
            self._finish(told, steps.failed(steps.INTERNAL))
        finally:
            self._live.pop(name, None)
            removal.remove(folder)

    def _finish(self, told: Steps, end: End) -> None:
        if not self._closing.is_set():
            told.finish(end)

    def _try(self, told: Steps, live: Live, folder: Path) -> End:
        try:
            return Attempt(self._ground, self.capacity, self.bounds, told, live, folder).run()
        except Exception:  # the edge of the thread: whatever it was, the job must not stay InProgress
            logger.exception("training job %s met an internal error", told.name)
            return steps.failed(steps.INTERNAL)

    def _tries_again(self, told: Steps, live: Live, end: End) -> bool:
        """Prepare the next try after an interruption, or after an internal error where the job asks for retries."""
        if end == INTERRUPTED:
            live.go_on()
            told.enter("Interrupted")
            live.called.wait(self._ground.pace.seconds(states.TRAINING, "Interrupted", told.name))
        elif (end.reason or "").startswith(steps.INTERNAL) and _may_retry(told.job()):
            live.go_on()
            told.enter("Restarting", _tries=told.job().get("_tries", 0) + 1)
        else:
            return False
        told.enter("Starting")
        return True


def _may_retry(job: Doc) -> bool:
    most = (job.get("RetryStrategy") or {}).get("MaximumRetryAttempts", 0)
    return bool(job.get("_tries", 0) < most)
