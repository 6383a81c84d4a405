"""Runs training jobs: one thread each, from their start to their end."""

from __future__ import annotations

import logging
import shutil
import threading
from pathlib import Path

from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.jobs import steps
from dropforge.local.sagemaker.jobs.attempt import Attempt, Live
from dropforge.local.sagemaker.jobs.steps import End, Steps

logger = logging.getLogger(__name__)


class Training:
    """Runs jobs, each in sandboxes, and tells the store of every step."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._home = ground.home / "jobs"
        self._live: dict[str, Live] = {}
        self._closing = threading.Event()
        unfinished = ground.store.select("kind = ? AND status IN (?, ?)", (steps.KIND, "InProgress", "Stopping"))
        self._left = [row.name for row in unfinished]  # known before the first call of this life

    def launch(self, name: str) -> None:
        live = self._live[name] = Live(closing=self._closing.is_set)
        live.thread = threading.Thread(target=self._thread, args=(name, live), name=f"job-{name}", daemon=True)
        live.thread.start()

    def stop(self, name: str) -> None:
        """Wake the job's thread: the store says already that it is to stop."""
        live = self._live.get(name)
        if live:
            live.stop.set()

    def resume(self) -> None:
        """Tell the truth about jobs that a former life of the cloud left unfinished: they are lost."""
        for name in self._left:
            told = Steps(self._ground.store, name)
            stopped = told.job()["_stop"]
            told.finish(End("Stopped", "Stopped") if stopped else End("Failed", "Failed", steps.CUT_SHORT))
            shutil.rmtree(self._home / name, ignore_errors=True)

    def close(self) -> None:
        """Kill what runs; the next start will say that these jobs were cut short."""
        self._closing.set()
        for live in list(self._live.values()):
            live.stop.set()
            if live.hosts:
                live.hosts.kill()
        for live in list(self._live.values()):
            if live.thread:
                live.thread.join(5)

    def status(self) -> list[str]:
        return sorted(self._live)

    def _thread(self, name: str, live: Live) -> None:
        told = Steps(self._ground.store, name)
        folder = self._home / name
        try:
            end = self._run(told, live, folder)
        except Exception:  # the edge of the thread: whatever it was, the job must not stay InProgress
            logger.exception("training job %s met an internal error", name)
            end = End("Failed", "Failed", steps.INTERNAL)
        if not self._closing.is_set():
            told.finish(end)
        self._live.pop(name, None)
        shutil.rmtree(folder, ignore_errors=True)

    def _run(self, told: Steps, live: Live, folder: Path) -> End:
        return Attempt(self._ground, told, live, folder).run()
