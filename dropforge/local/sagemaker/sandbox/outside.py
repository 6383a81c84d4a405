"""What runs a program where there are no walls: starts it, forwards signals to it, and leaves nothing of it behind.

Run by path with `python -I -S outside.py FD`; it imports nothing of ours. FD is one end of a socket
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
from typing import Any, NoReturn

PR_SET_CHILD_SUBREAPER = 36
LOOK_SECONDS = 0.05


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
    program = _start(spec)
    _obey(rest, program)
    _serve(control, program)


def _gone() -> NoReturn:
    os._exit(128 + signal.SIGKILL)


def _start(spec: dict[str, Any]) -> int:
    program = os.fork()
    if program:
        return program
    try:
        os.setsid()
        for number in (
            signal.SIGPIPE,
            signal.SIGXFSZ,
        ):  # Python ignores them, and what is ignored stays so over an exec
            signal.signal(number, signal.SIG_DFL)
        _limit(spec["limits"])
        os.chdir(spec["folder"])
        os.execvpe(spec["command"][0], spec["command"], spec["environment"])  # noqa: S606 - an argument list
    except OSError as error:
        os.write(2, f"cannot run {spec['command'][0]}: {error}\n".encode())
    os._exit(127)  # a shell's code for a command that cannot be run


def _limit(limits: dict[str, int | None]) -> None:
    """Set what holds for one process; the number of processes would be that of all that this user runs."""
    import resource

    for name, kind in (("memory", "DATA"), ("files", "NOFILE"), ("file_size", "FSIZE")):
        if asked := limits[name]:
            limit = getattr(resource, f"RLIMIT_{kind}")
            most = resource.getrlimit(limit)[1]
            wanted = asked if most == resource.RLIM_INFINITY else min(asked, most)
            resource.setrlimit(limit, (wanted, wanted))


def _serve(control: socket.socket, program: int) -> NoReturn:
    while True:
        ready, _, _ = select.select([control], [], [], LOOK_SECONDS)
        if ready:
            said = control.recv(4096)
            if not said:
                _end(program, 128 + signal.SIGKILL)
            _obey(said, program)
        while True:
            try:
                ended, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                _end(program, 128 + signal.SIGKILL)
            if ended == 0:
                break
            if ended == program:
                code = os.waitstatus_to_exitcode(status)
                _end(program, 128 - code if code < 0 else code)


def _obey(said: bytes, program: int) -> None:
    for line in said.splitlines():
        with contextlib.suppress(ProcessLookupError):
            os.kill(program, json.loads(line)["signal"])


def _end(program: int, code: int) -> NoReturn:
    """Kill all that is left, and exit."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(program, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(program, signal.SIGKILL)
    while children := _children():
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)
    os._exit(code)


def _children() -> list[int]:
    """Name our children, and those whose parents have gone; elsewhere than on Linux nobody tells us."""
    try:
        return [int(child) for child in Path("/proc/self/task", str(os.getpid()), "children").read_text().split()]
    except OSError:
        return []


if __name__ == "__main__":
    main()
