"""Runs the jobs of one kind, a thread for each, and tells the store how each of them ended."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dropforge.local.sagemaker import removal
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.kinds.kind import FINAL, Kind
from dropforge.local.sagemaker.states import Graph
from dropforge.local.sagemaker.store import Doc, Event

REASON_LENGTH = 1024
INTERNAL = "InternalServerError: We encountered an internal error. Please try again."
CUT_SHORT = f"{INTERNAL} The local cloud was stopped while the job ran."

logger = logging.getLogger(__name__)


class CutShortError(Exception):
    """The cloud is stopping: what the job has come to stays in the store as it is, for the next start."""


@dataclass(frozen=True, slots=True)
class End:
    """How a job ended: its status, why, and what else Describe tells from now on."""

    status: str
    reason: str | None = None
    told: Doc = field(default_factory=dict)


@dataclass(slots=True)
class Live:
    """A job that runs now."""

    stop: threading.Event = field(default_factory=threading.Event)
    """Set when the job is to end: the store says whether a person wished it or the cloud is stopping."""
    thread: threading.Thread | None = None


Perform = Callable[[Doc, Path, Live], End]


class Runs:
    """`perform` does a job's work in a folder of its own. `resumes` tells that a new life goes on with it."""

    def __init__(self, ground: Ground, kind: Kind, graph: Graph, perform: Perform, *, resumes: bool = False) -> None:
        self._ground = ground
        self._store = ground.store
        self._kind = kind
        self._graph = graph
        self._perform = perform
        self._resumes = resumes
        self._home = ground.home / f"{kind.name}s"
        self._live: dict[str, Live] = {}
        self.closing = threading.Event()
        unfinished = self._store.select("kind = ? AND status NOT IN (?, ?, ?)", (kind.name, *FINAL))
        self._left = [row.name for row in unfinished]  # known before the first call of this life
        self._remains = list(self._home.iterdir()) if self._home.is_dir() else []

    def launch(self, name: str) -> None:
        live = self._live[name] = Live()
        live.thread = threading.Thread(target=self._thread, args=(name, live), name=f"job-{name}", daemon=True)
        live.thread.start()

    def stop(self, name: str) -> None:
        """Wake the job's thread: the store says already that it is to stop."""
        live = self._live.get(name)
        if live:
            live.stop.set()

    def resume(self) -> None:
        """Go on with what a former life left unfinished, or tell the truth about it: it is lost."""
        for folder in self._remains:
            removal.remove(folder)
        for name in self._left:
            job = self._doc(name)
            if self._resumes or not (job["_stop"] or job.get(self._kind.started)):
                self.launch(name)
            else:
                self._finish(name, End("Stopped") if job["_stop"] else End("Failed", CUT_SHORT))

    def close(self) -> None:
        """End what runs, at once; the next start tells what became of it."""
        self.closing.set()
        for live in list(self._live.values()):
            live.stop.set()
        for live in list(self._live.values()):
            if live.thread:
                live.thread.join(10)

    def status(self) -> list[str]:
        return sorted(self._live)

    def change(self, name: str, edit: Callable[[Doc], Any], *, told: bool = False) -> Doc:
        """Change what is known of a job; `told` sends an event of it."""

        def step(doc: Doc) -> list[Event]:
            edit(doc)
            doc["LastModifiedTime"] = time.time()
            return [self._kind.event(doc)] if told else []

        return self._store.change(self._kind.name, name, step)

    def wait(self, status: str, name: str, live: Live) -> None:
        """Let pass the time that AWS takes for a step, unless the job is to end."""
        live.stop.wait(self._ground.pace.seconds(self._graph, status, name))

    def _thread(self, name: str, live: Live) -> None:
        folder = self._home / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if self._doc(name)["_stop"]:  # wished before this thread was there
                live.stop.set()
            self.wait("Starting", name, live)
            end = self._perform(self._doc(name), folder, live)
        except CutShortError:
            end = None
        except Exception:  # the edge of the thread: whatever it was, the job must not stay InProgress
            logger.exception("the %s %s met an internal error", self._kind.name, name)
            end = End("Failed", INTERNAL)
        try:
            if end and not self.closing.is_set():
                self._finish(name, end)
        finally:
            self._live.pop(name, None)
            removal.remove(folder)

    def _doc(self, name: str) -> Doc:
        doc = self._store.get(self._kind.name, name)
        if doc is None:
            raise CutShortError
        return doc

    def _finish(self, name: str, end: End) -> None:
        def finish(doc: Doc) -> None:
            doc |= {**end.told, self._kind.status: end.status, self._kind.ended: time.time()}
            if end.reason:
                doc["FailureReason"] = end.reason[:REASON_LENGTH]

        self.change(name, finish, told=True)
