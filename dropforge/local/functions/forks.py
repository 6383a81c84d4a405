"""The cloud's side of the program that workers are forked from."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from dropforge.local.functions import runtime

_PROGRAM = Path(runtime.__file__)


class Forks:
    """Starts the program when a first worker is asked for, and again should somebody have killed it."""

    def __init__(self, project: Path) -> None:
        self._project = project
        self._lock = threading.Lock()
        self._running: tuple[subprocess.Popen[bytes], socket.socket] | None = None
        # One thread that lives as long as the cloud: the kernel kills a child when the *thread* that made it ends.
        self._spawner = ThreadPoolExecutor(1, thread_name_prefix="forks")

    def fork(self, environment: Mapping[str, str], channel: socket.socket, output: int) -> int:
        """Make a worker that talks through `channel` and prints to `output`; gives its process. OSError, EOFError."""
        asked, descriptors = {"environment": dict(environment)}, (channel.fileno(), output)
        with self._lock:
            try:
                return int(self._ask(runtime.FORK, asked, *descriptors)["pid"])
            except (OSError, EOFError):
                self._end()
                return int(self._ask(runtime.FORK, asked, *descriptors)["pid"])

    def status(self, pid: int, *, wait: bool = False) -> int | None:
        """Give how a worker ended, as subprocess tells it; None while it runs."""
        with self._lock:
            try:
                status: int | None = self._ask(runtime.STATUS, {"pid": pid, "wait": wait})["status"]
            except (OSError, EOFError):
                return -signal.SIGKILL  # it died with the program that made it
        return status

    def close(self) -> None:
        """End the program, and with it all its workers."""
        with self._lock:
            self._end()
        self._spawner.shutdown()

    def _ask(self, what: bytes, header: dict[str, Any], *descriptors: int) -> dict[str, Any]:
        if self._running is None:
            self._running = self._spawner.submit(self._start).result()
        _, control = self._running
        socket.send_fds(control, [what], descriptors)
        runtime.send(control, header)
        return runtime.receive(control)[0]

    def _start(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        ours, theirs = socket.socketpair()
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
