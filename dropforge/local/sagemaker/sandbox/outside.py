"""What runs a program where there are no walls: starts it, forwards signals to it, and leaves nothing of it behind.

Run by path with `python -I -S outside.py FD`; what it imports of ours lies beside it. FD is one end of a socket
pair: the specification comes in first, then signals to forward, a line each. When the other end closes, for whatever
reason, the program and all that it started are killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import sys
from pathlib import Path

TYPE_CHECKING = False  # see kernel.py
if TYPE_CHECKING:
    from typing import NoReturn

    from dropforge.local.sagemaker.sandbox import memory, program
else:
    sys.path.append(str(Path(__file__).resolve().parent))
    import memory
    import program

PR_SET_CHILD_SUBREAPER = 36
LOOK_SECONDS = 0.05
# What holds for one process; the number of processes would be that of all that this user runs.
LIMITS = {"memory": "DATA", "files": "NOFILE", "file_size": "FSIZE"}


def main() -> NoReturn:
    control = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(control.fileno(), False)
    said = b""
    while b"\n" not in said:
        said += control.recv(65536) or _gone()
    line, _, rest = said.partition(b"\n")
    spec = json.loads(line)
    with contextlib.suppress(AttributeError):
        # Of Linux: what loses its parent becomes a child of ours, and is found at the end.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    started = program.start(spec, LIMITS, lambda: None)
    _obey(rest, started)
    _serve(control, started, memory.Watch(spec["limits"]["memory"], _descendants))


def _gone() -> NoReturn:
    os._exit(128 + signal.SIGKILL)


def _serve(control: socket.socket, started: int, watch: memory.Watch) -> NoReturn:
    while True:
        ready, _, _ = select.select([control], [], [], LOOK_SECONDS)
        if ready:
            said = control.recv(4096)
            if not said:
                _end(started, 128 + signal.SIGKILL)
            _obey(said, started)
        if line := watch.look():
            _tell_of_memory(control)
            _kill(started)
            os.write(1, line.encode())
            os._exit(memory.KILLED)
        while True:
            try:
                ended, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                _end(started, 128 + signal.SIGKILL)
            if ended == 0:
                break
            if ended == started:
                code = program.exit_code(status)
                if watch.starved(code):
                    _tell_of_memory(control)
                _end(started, code)


def _tell_of_memory(control: socket.socket) -> None:
    with contextlib.suppress(OSError):
        control.send(b'{"memory": true}\n', socket.MSG_DONTWAIT)


def _obey(said: bytes, started: int) -> None:
    for line in said.splitlines():
        with contextlib.suppress(ProcessLookupError):
            os.kill(started, json.loads(line)["signal"])


def _end(started: int, code: int) -> NoReturn:
    _kill(started)
    os._exit(code)


def _kill(started: int) -> None:
    """Kill all that is left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(started, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(started, signal.SIGKILL)
    while children := _children(os.getpid()):
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)


def _descendants() -> list[int]:
    """Name all that the program started, and itself: what has lost its parent has become our child."""
    found: list[int] = []
    asked = _children(os.getpid())
    while asked:
        found += asked
        asked = [child for process in asked for child in _children(process)]
    return found


def _children(process: int) -> list[int]:
    """Name the children of a process, whichever of its threads has them; elsewhere than on Linux nobody tells us."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in Path("/proc", str(process), "task").iterdir():
            with contextlib.suppress(OSError):
                found += map(int, (thread / "children").read_text().split())
    return found


if __name__ == "__main__":
    main()
