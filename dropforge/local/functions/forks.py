"""The cloud's side of the program that workers are forked from."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dropforge.local.functions import runtime

_PROGRAM = Path(runtime.__file__)
_ANSWERS_WITHIN = 30.0


@dataclass(frozen=True, slots=True)
class Forked:
    """A worker's process, our end of its channel, and the descriptor that gives what it prints."""

    pid: int
    channel: socket.socket
    printed: int


class Forks:
    """Starts the program when a first worker is asked for, and again should somebody have killed it."""

    def __init__(self, project: Path) -> None:
        self._project = project
        self._lock = threading.Lock()
        self._running: tuple[subprocess.Popen[bytes], socket.socket] | None = None
        # One thread that lives as long as the cloud: the kernel kills a child when the *thread* that made it ends.
        self._spawner = ThreadPoolExecutor(1, thread_name_prefix="forks")

    def fork(self, environment: Mapping[str, str]) -> Forked:
        """Make a worker; OSError where the machine has no room for one, or the program was killed twice meanwhile."""
        with self._lock:
            try:
                return self._fork(environment)
            except EOFError:
                pass  # it was killed: another one takes over, and a half-made worker finds its channel closed
            try:
                return self._fork(environment)
            except EOFError as error:
                raise OSError(errno.ECONNABORTED, "what workers are forked from was killed, twice") from error

    def _fork(self, environment: Mapping[str, str]) -> Forked:
        with ExitStack() as undone:
            channel, theirs = socket.socketpair()
            undone.enter_context(channel)
            printed, output = os.pipe()
            undone.callback(os.close, printed)
            with theirs, os.fdopen(output, "wb"):
                answer = self._ask(runtime.FORK, {"environment": dict(environment)}, theirs.fileno(), output)
            if "errno" in answer:
                raise OSError(answer["errno"], os.strerror(answer["errno"]))
            undone.pop_all()
        return Forked(answer["pid"], channel, printed)

    def status(self, pid: int, *, wait: bool = False) -> int | None:
        """Give how a worker ended, as subprocess tells it; None while it runs."""
        with self._lock:
            if self._running is None:
                return -signal.SIGKILL
            try:
                status: int | None = self._ask(runtime.STATUS, {"pid": pid, "wait": wait})["status"]
            except EOFError:
                return -signal.SIGKILL  # it died with the program that made it
        return status

    def close(self) -> None:
        """End the program, and with it all its workers."""
        with self._lock:
            self._end()
        self._spawner.shutdown()

    def _ask(self, what: bytes, header: dict[str, Any], *descriptors: int) -> dict[str, Any]:
        """Ask the program; EOFError where it has gone or does not answer, and then it has ended."""
        if self._running is None:
            self._running = self._spawner.submit(self._start).result()
        _, control = self._running
        try:
            socket.send_fds(control, [what], descriptors)
            runtime.send(control, header)
            return runtime.receive(control)[0]
        except (OSError, EOFError) as error:
            self._end()
            raise EOFError from error

    def _start(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        ours, theirs = socket.socketpair()
        ours.settimeout(_ANSWERS_WITHIN)
        # -P: the folder of the program is no place to import from.
        command = [sys.executable, "-P", "-u", str(_PROGRAM), str(theirs.fileno())]
        with theirs:
            process = subprocess.Popen(
                command, cwd=self._project, env=surroundings(), stdin=subprocess.DEVNULL, pass_fds=(theirs.fileno(),)
            )
        return process, ours

    def _end(self) -> None:
        if self._running:
            process, control = self._running
            control.close()
            process.kill()
            process.wait()
        self._running = None


def surroundings() -> dict[str, str]:
    """Give what a function sees of the machine it runs on: the search path, and a language and a time of its own."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "en_US.UTF-8", "TZ": ":UTC"}
