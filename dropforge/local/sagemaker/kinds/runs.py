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
from dropforge.local.sagemaker.kinds.ends import CUT_SHORT, INTERNAL, REASON_LENGTH, CutShortError, End
from dropforge.local.sagemaker.kinds.kind import FINAL, Kind
from dropforge.local.sagemaker.states import Graph
from dropforge.local.sagemaker.store import Doc, Event

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Live:
    """A job that runs now."""

    closing: Callable[[], bool]
    """Tells whether the cloud is stopping."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Set when the job is to end, which a person wished if the store says so, or when its instances are taken away."""
    thread: threading.Thread | None = None


Perform = Callable[[Doc, Path, Live], End]


class Runs:
    """`perform` does a job's work in a folder of its own.

    `goes_on` tells of an unfinished job whether the next life of the cloud performs it; without it, those are that had
    not begun.
    """

    def __init__(
        self,
        ground: Ground,
        kind: Kind,
        graph: Graph,
        perform: Perform,
        goes_on: Callable[[Doc], bool] | None = None,
    ) -> None:
        self._ground = ground
        self._store = ground.store
        self._kind = kind
        self._graph = graph
        self._perform = perform
        self._goes_on = goes_on or self._had_not_begun
        self._home = ground.home / (kind.folder or f"{kind.name}s")
        self._live: dict[str, Live] = {}
        self.closing = threading.Event()
        unfinished = self._store.select("kind = ? AND status NOT IN (?, ?, ?)", (kind.name, *FINAL))
        self._left = [row.name for row in unfinished]  # known before the first call of this life
        self._remains = list(self._home.iterdir()) if self._home.is_dir() else []

    def launch(self, name: str) -> None:
        live = self._live[name] = Live(self.closing.is_set)
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
            if self._goes_on(job):
                self.launch(name)
            else:
                self._finish(name, End("Stopped") if self._is_stopping(job) else End("Failed", CUT_SHORT))

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

    def go_on(self, name: str, live: Live) -> None:
        """Let a job go on whose instances were taken away, unless it is to end."""
        live.stop.clear()
        self._heed(name, live)

    def wait(self, status: str, name: str, live: Live) -> None:
        """Let pass the time that AWS takes for a step, unless the job is to end."""
        live.stop.wait(self._ground.pace.seconds(self._graph, status, name))

    def _thread(self, name: str, live: Live) -> None:
        folder = self._home / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._heed(name, live)
            end = self._perform(self._doc(name), folder, live)
            if end.status == "Stopped" and self._doc(name).get(self._kind.started):
                self.closing.wait(self._ground.pace.seconds(self._graph, "Stopping", name))
            self._finish(name, end)
        except CutShortError:
            return
        except Exception:  # the edge of the thread: whatever it was, the job must not stay InProgress
            logger.exception("the %s %s met an internal error", self._kind.name, name)
            self._finish(name, End("Failed", INTERNAL))
        finally:
            self._live.pop(name, None)
            removal.remove(folder)

    def _doc(self, name: str) -> Doc:
        doc = self._store.get(self._kind.name, name)
        if doc is None:
            raise CutShortError
        return doc

    def _had_not_begun(self, job: Doc) -> bool:
        return not self._is_stopping(job) and not job.get(self._kind.started)

    def _is_stopping(self, job: Doc) -> bool:
        return bool(job[self._kind.status] == "Stopping")

    def _heed(self, name: str, live: Live) -> None:
        """Wake a job that is to end, whatever has become of the call."""
        if self.closing.is_set() or self._doc(name)["_stop"]:
            live.stop.set()

    def _finish(self, name: str, end: End) -> None:
        """Tell how a job ended, but not of one that the end of the cloud cuts short."""
        if self.closing.is_set():
            return

        def finish(doc: Doc) -> None:
            doc |= {**end.told, self._kind.status: end.status, self._kind.ended: time.time()}
            if end.reason:  # where a file lies on this machine is nothing to whoever reads it
                doc["FailureReason"] = end.reason.replace(f"{self._home / name}/", "")[:REASON_LENGTH]
            self._kind.moved(doc)

        self.change(name, finish, told=True)
