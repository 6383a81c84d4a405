"""A container without Docker or root: namespaces of its own for users, mounts, processes, network, IPC and names.

The program inside sees the system's programs and this Python read-only, its own `/opt/ml` and `/tmp`, and nothing else:
no home folder, no other job, no environment of ours, no network but its own loopback. It dies with this process.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

from dropforge.local.sagemaker.sandbox import plain, view, wish
from dropforge.local.sagemaker.sandbox.contract import Process
from dropforge.local.sagemaker.sandbox.spec import ImageError, SandboxError, Spec, limits

__all__ = ["ImageError", "Process", "SandboxError", "Spec", "start", "walls"]

_INSIDE = Path(__file__).with_name("inside.py")
_SETUP_SECONDS = 20.0
_SOCKET_SECONDS = 5.0


class Walled:
    """A running sandbox. `output` is what the program writes, stdout and stderr in one stream of bytes."""

    def __init__(self, process: subprocess.Popen[bytes], control: socket.socket) -> None:
        self._process = process
        self._control = control
        self._lock = threading.Lock()
        self._out_of_memory = False
        self.output: IO[bytes] = _require(process.stdout)
        self.pid = process.pid

    def begin(self) -> None:
        """Let the program start that waited for the other hosts of its network."""
        with self._lock:
            self._order({"begin": True})

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program; one that is gone does not mind."""
        with self._lock:
            self._order({"signal": int(number)})

    def kill(self) -> None:
        """Kill everything inside, at once."""
        self._process.kill()

    def wait(self, seconds: float | None = None) -> int | None:
        """Give the exit code (128 + n after signal n), or None when the time ended first."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        with self._lock:
            self._hear()
            self._control.close()
        return code

    def poll(self) -> int | None:
        return self.wait(0)

    def out_of_memory(self) -> bool:
        """Say whether it was ended because it had more memory than it may, or than there is."""
        with self._lock:
            self._hear()
        return self._out_of_memory

    def connect(self, port: int, seconds: float) -> socket.socket:
        """Open a connection to a port of the sandbox's own loopback: the socket is made inside and handed out."""
        with self._lock:
            self._hear()
            if not self._order({"socket": True}):
                raise SandboxError("the sandbox is gone")
            try:
                said, descriptors, _, _ = socket.recv_fds(self._control, 64, 1)
            except TimeoutError:
                raise  # init is there, and busy
            except OSError as error:
                raise SandboxError("the sandbox is gone") from error
            self._understand(said)
        if not descriptors:
            raise SandboxError("the sandbox is gone")
        made = socket.socket(fileno=descriptors[0])
        try:
            made.settimeout(seconds)
            made.connect(("127.0.0.1", port))
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            made.close()
            raise
        return made

    def _hear(self) -> None:
        """Take what init has said without being asked: an answer that nobody waited for, or its last word."""
        # By its number: whoever asks a socket that has a timeout waits for it.
        with suppress(OSError):
            while said := os.read(self._control.fileno(), 64):
                self._understand(said)

    def _understand(self, said: bytes) -> None:
        self._out_of_memory = self._out_of_memory or b"memory" in said

    def _order(self, order: Mapping[str, object]) -> bool:
        try:
            self._control.send(json.dumps(order).encode())
        except OSError:
            return False
        return True


def start(spec: Spec) -> Process:
    """Start a program in a sandbox of its own, or without one where there can be none."""
    return _start(spec) if walls() is None else plain.start(spec)


def _start(spec: Spec) -> Walled:
    """Start a program in a sandbox of its own; SandboxError when the kernel refuses a step."""
    for name in ("ml", "tmp", "root"):
        (spec.folder / name).mkdir(parents=True, exist_ok=True)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_INSIDE), str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={},
            pass_fds=(theirs.fileno(), *((spec.seat.user, spec.seat.net) if spec.seat else ())),
            cwd="/",
            start_new_session=True,
        )
    ours.settimeout(_SETUP_SECONDS)
    answer: dict[str, object] = {}
    try:
        seen = view.describe(spec.words, spec.folder, spec.environment, spec.image, spec.hidden, spec.seat)
        ours.send(json.dumps({**seen, "limits": limits(spec)}).encode())
        answer = json.loads(ours.recv(4096) or b"{}")
    except OSError as error:
        answer = {"error": str(error)}
    if "started" not in answer:
        process.kill()
        said = _require(process.stdout).read().decode(errors="replace")
        process.wait()
        _require(process.stdout).close()
        ours.close()
        raise SandboxError(str(answer.get("error") or said or "it ended at once"))
    ours.settimeout(_SOCKET_SECONDS)
    return Walled(process, ours)


def walls() -> str | None:
    """Say in one sentence why programs run without walls here; None when each has a sandbox."""
    if wish.is_plain():
        return f"Programs run without walls: {wish.VARIABLE} asks for it."
    return _missing()


@functools.cache
def _missing() -> str | None:
    if sys.platform != "linux":
        return f"Programs run without walls: {sys.platform} has no Linux namespaces."
    folder = Path(tempfile.mkdtemp(prefix="dropforge-probe-"))
    try:
        process = _start(Spec(command=("true",), folder=folder))
        process.wait(_SETUP_SECONDS)
        process.output.close()
    except SandboxError as error:
        return (
            f"Programs run without walls: this machine does not let them have namespaces of their own ({error}); see"
            " the kernel's settings user.max_user_namespaces and kernel.apparmor_restrict_unprivileged_userns."
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return None


def _require(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise SandboxError("the process has no output stream")
    return stream
