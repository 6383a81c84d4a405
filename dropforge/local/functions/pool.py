"""The workers of one function: spawned when asked for, up to a bound, the warmest first."""

from __future__ import annotations

import threading
import time
import uuid

from dropforge.local.functions.worker import Answer, Ground, Worker, no_room
from dropforge.local.stack_reading import Function


class ThrottledError(Exception):
    """All workers of the function are busy."""


class Pool:
    """Runs one function, at most `bound` events at a time."""

    def __init__(self, function: Function, ground: Ground, bound: int) -> None:
        self.function = function
        self.bound = bound
        self._ground = ground
        self._idle: list[tuple[float, Worker]] = []
        """Since when, the latest last."""
        self._workers: set[Worker] = set()
        self._places = threading.BoundedSemaphore(bound)
        self._lock = threading.Lock()
        self._stopped = False
        self.invocations = 0
        self.errors = 0

    def invoke(self, payload: bytes, *, patience: float = 3600, request_id: str = "") -> Answer:
        """Run the function on one event; ThrottledError when no worker is free within `patience` seconds."""
        if not self._places.acquire(timeout=patience):
            raise ThrottledError
        try:
            worker = self._take()
            answer = worker.invoke(payload, request_id or str(uuid.uuid4()))
            self._give_back(worker, answer)
        except OSError as error:
            with self._lock:
                self.errors += 1
            return no_room(error)
        finally:
            self._places.release()
        return answer

    def pids(self) -> list[int]:
        with self._lock:
            return sorted(worker.pid for worker in self._workers if worker.alive)

    def rest(self, seconds: float) -> None:
        """End the workers that nobody has wanted for so long."""
        latest = time.monotonic() - seconds
        with self._lock:
            tired = [worker for since, worker in self._idle if since < latest]
            self._idle = [(since, worker) for since, worker in self._idle if since >= latest]
            self._workers.difference_update(tired)
        for worker in tired:
            worker.kill()

    def stop(self) -> None:
        """End all workers, whatever they are doing."""
        with self._lock:
            self._stopped = True
            workers, self._idle = list(self._workers), []
        for worker in workers:
            worker.kill()

    def _take(self) -> Worker:
        with self._lock:
            if self._stopped:
                raise ThrottledError
            self.invocations += 1
            while self._idle:
                _, worker = self._idle.pop()
                if worker.alive:
                    return worker
                # One that was killed between two events is replaced before anybody notices.
                self._workers.discard(worker)
                worker.kill()
        worker = Worker(self.function, self._ground)
        with self._lock:
            self._workers.add(worker)
            stopped = self._stopped
        if stopped:
            worker.kill()
        return worker

    def _give_back(self, worker: Worker, answer: Answer) -> None:
        with self._lock:
            self.errors += answer.failed
            if answer.alive and not self._stopped:
                self._idle.append((time.monotonic(), worker))
                return
            self._workers.discard(worker)
        worker.kill()
