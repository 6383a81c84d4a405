"""A container that runs, or waits for the other hosts of its job."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from dropforge.local.sagemaker.engine import arguments
from dropforge.local.sagemaker.engine.client import Client, EngineError
from dropforge.local.sagemaker.sandbox.spec import SandboxError, Spec

_KEEPER = Path(__file__).with_name("keeper.py")

logger = logging.getLogger(__name__)


class Container:
    """A program in a container. A child of ours stays beside it, and removes it when it has ended or we have."""

    def __init__(
        self,
        client: Client,
        name: str,
        spec: Spec,
        *,
        open_up: Sequence[str],
        own_network: str | None = None,
        shared_network: str | None = None,
    ) -> None:
        self._client = client
        self._name = name
        self._folder = spec.folder / "ml"
        self._open_up = open_up
        self._ports: dict[int, int] = {}
        self._lock = threading.Lock()
        self._opened = self._killed = False
        told = {
            "start": [client.program, *arguments.start(name)],
            "kill": [client.program, *arguments.kill(name)],
            "remove": [[client.program, *arguments.remove(name)], *_removal(client, own_network)],
            "abandon": _removal(client, shared_network),  # the last of its hosts succeeds
        }
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_KEEPER), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs.fileno(),),
                cwd="/",
                start_new_session=True,
            )
        self._control = ours
        if self._process.stdout is None:
            raise SandboxError("the process has no output stream")
        self.output: IO[bytes] = self._process.stdout
        self._order(told)

    def begin(self) -> None:
        """Let the program start."""
        self._order({"begin": True})

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program; one that is gone does not mind."""
        self._order({"say": [self._client.program, *arguments.signal(self._name, number.name)]})

    def kill(self) -> None:
        """Kill the container, and leave nothing of it."""
        self._killed = True
        try:
            self._control.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def wait(self, seconds: float | None = None) -> int | None:
        """Give the exit code (128 + n after signal n), or None when the time ended first."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        with self._lock:
            self._control.close()
            if not self._opened:
                self._opened = True
                self._take_over()
        return code

    def poll(self) -> int | None:
        return self.wait(0)

    def out_of_memory(self) -> bool:
        """Say whether a SIGKILL ended it that we did not send: an engine tells no more of what it has removed."""
        return not self._killed and self._process.poll() == 128 + signal.SIGKILL

    def connect(self, port: int, seconds: float) -> socket.socket:
        """Open a connection to the one port that was asked for, by the port of this machine that stands for it."""
        if self._process.poll() is not None:
            raise SandboxError("the container is gone")
        made = socket.create_connection(("127.0.0.1", self._published(port)), timeout=seconds)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def _published(self, port: int) -> int:
        if port not in self._ports:
            try:
                said = self._client.run(arguments.published(self._name, port))
                self._ports[port] = int(said.rpartition(":")[2])
            except (EngineError, ValueError) as error:
                raise SandboxError(f"the container's port {port} is not to be reached: {error}") from error
        return self._ports[port]

    def _order(self, order: object) -> None:
        with self._lock:
            try:
                self._control.sendall(json.dumps(order).encode() + b"\n")
            except OSError:
                return

    def _take_over(self) -> None:
        """Root of an engine is not who we are: what it has left has to be opened before it can be read and removed."""
        if not _has_others_files(self._folder):
            return
        try:
            self._client.run(self._open_up)
        except EngineError as error:
            logger.warning("what %s has left in %s belongs to others and stays so: %s", self._name, self._folder, error)


def _removal(client: Client, network: str | None) -> list[list[str]]:
    return [[client.program, *arguments.remove_network(network)]] if network else []


def _has_others_files(folder: Path) -> bool:
    us = os.geteuid()
    if us == 0:
        return False
    return any(
        os.lstat(os.path.join(top, name)).st_uid != us  # noqa: PTH118 - a Path for each of many files is slow
        for top, folders, files in os.walk(folder)
        for name in (*folders, *files)
    )
