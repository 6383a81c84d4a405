"""Programs without walls, where the machine allows none: plain child processes, told by variables where their world is.

`/opt/ml` is then a folder of the machine, named by SAGEMAKER_BASE_DIR and put in the place of that name in the command,
the variables and the files of its configuration; a server listens on the port that SAGEMAKER_BIND_TO_PORT names.
docs/local-sagemaker.md lists what is missing.
"""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from dropforge.local.sagemaker.sandbox import view
from dropforge.local.sagemaker.sandbox.spec import SandboxError, Spec, limits

_OUTSIDE = Path(__file__).with_name("outside.py")
_CONFIGURATION = ("ml/input/config", "ml/config")
"""Where a training job and a processing job find what was asked for: hyperparameters, places of their own."""
_NAMED = re.compile(r"(?<![\w.-])/opt/(ml|program)(?![\w.-])")
"""These folders, and no key of a bucket or longer name in which their names stand."""


class Plain:
    """A running program; the same as one in a sandbox."""

    def __init__(self, process: subprocess.Popen[bytes], output: IO[bytes], control: socket.socket, port: int) -> None:
        self._process = process
        self._control = control
        self._port = port
        self._lock = threading.Lock()
        self._out_of_memory = False
        self.output = output
        self.pid = process.pid

    def begin(self) -> None:
        """Do nothing: there are no other hosts to wait for."""

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program; one that is gone does not mind."""
        try:
            self._control.sendall(json.dumps({"signal": int(number)}).encode() + b"\n")
        except OSError:
            return

    def kill(self) -> None:
        """Kill the program and what it started."""
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
        """Open a connection to the program's server; whichever port it would have, it has its own."""
        del port
        if self._process.poll() is not None:
            raise SandboxError("the program is gone")
        made = socket.create_connection(("127.0.0.1", self._port), timeout=seconds)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def _hear(self) -> None:
        """Take what stands beside the program has said: there is one thing that it says."""
        with suppress(OSError):
            self._out_of_memory = self._out_of_memory or bool(self._control.recv(64, socket.MSG_DONTWAIT))


def start(spec: Spec) -> Plain:
    """Start a program as a child of ours, in its own session."""
    for name in ("ml", "tmp"):
        (spec.folder / name).mkdir(parents=True, exist_ok=True)
    _tell_files(spec)
    port = _free_port()
    told = {
        "command": [_placed(word, spec) for word in spec.words],
        "environment": _environment(spec, port),
        "folder": f"{spec.folder}/ml",
        "limits": limits(spec),
    }
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_OUTSIDE), str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={},
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )
    ours.sendall(json.dumps(told).encode() + b"\n")
    if process.stdout is None:
        raise SandboxError("the process has no output stream")
    return Plain(process, process.stdout, ours, port)


def _environment(spec: Spec, port: int) -> dict[str, str]:
    own, temporary = view.own_environment(), str(spec.folder / "tmp")
    return {
        **own,
        "PATH": own["PATH"].replace("/opt/program", str(spec.image or "")),
        "HOME": temporary,
        "TMPDIR": temporary,
        **{name: _placed(value, spec) for name, value in spec.environment.items()},
        # Where it lies and listens is not for a container to say.
        "SAGEMAKER_BASE_DIR": f"{spec.folder}/ml",
        "SAGEMAKER_BIND_TO_PORT": str(port),
    }


def _tell_files(spec: Spec) -> None:
    """Put the places into the configuration, too: a hyperparameter may name one."""
    for folder in _CONFIGURATION:
        for file in spec.folder.joinpath(folder).glob("*.json"):
            file.write_text(json.dumps(_placed_in(json.loads(file.read_text()), spec)))


def _placed_in(value: Any, spec: Spec) -> Any:
    match value:
        case str():
            return _placed(value, spec)
        case list():
            return [_placed_in(each, spec) for each in value]
        case dict():
            return {name: _placed_in(each, spec) for name, each in value.items()}
    return value


def _placed(text: str, spec: Spec) -> str:
    places = {"ml": f"{spec.folder}/ml", "program": str(spec.image or "")}
    return _NAMED.sub(lambda found: places[found[1]], text)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])
