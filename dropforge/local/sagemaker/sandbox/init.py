"""Is the init of a sandbox: starts its program, looks after it, ends with it, and takes every process in there along.

Imported by its path, from beside `inside.py`.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import select
import signal
import socket

TYPE_CHECKING = False  # see kernel.py
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from dropforge.local.sagemaker.sandbox import kernel, memory, program
else:
    import kernel
    import memory
    import program

# What a container's root keeps: chown, dac_override, fowner, kill, net_bind_service. No mount can be undone with these.
_KEPT_CAPABILITIES = frozenset({0, 1, 3, 5, 10})
_LIMITS = {"memory": "DATA", "processes": "NPROC", "files": "NOFILE", "file_size": "FSIZE"}
_REAP_SECONDS = 0.5


def start(spec: dict[str, Any]) -> int:
    """Start the program; gives its process."""
    return program.start(spec, _LIMITS, _give_up)


def _give_up() -> None:
    # The kernel's keys go with a session, whoever's it is: a new one has none of them. Where that is forbidden, so
    # is reading them.
    kernel.libc.syscall(kernel.SYS_KEYCTL[os.uname().machine], kernel.JOIN_SESSION_KEYRING, None)
    kernel.call("prctl", kernel.libc.prctl, kernel.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for capability in range(64):
        if capability not in _KEPT_CAPABILITIES:
            kernel.libc.prctl(kernel.PR_CAPBSET_DROP, capability, 0, 0, 0)


def serve(control: socket.socket, started: int, most: int | None) -> NoReturn:
    """Forward, reap, hand out sockets, watch the memory; exit with the program."""
    ended = os.pidfd_open(started)
    watch = memory.Watch(most, memory.everybody_else, "/dev/shm")  # noqa: S108 - the sandbox's own
    while True:
        ready, _, _ = select.select([control.fileno(), ended], [], [], min(_REAP_SECONDS, watch.pause()))
        if ended in ready:
            code = program.exit_code(os.waitpid(started, 0)[1])
            if watch.starved(code):
                _tell_of_memory(control)
            os._exit(code)
        if control.fileno() in ready:
            message = control.recv(4096)
            if not message:
                os._exit(memory.KILLED)
            _obey(json.loads(message), control, started)
        if line := watch.look():
            _tell_of_memory(control)
            os.kill(-1, signal.SIGKILL)  # all but us
            os.write(1, line.encode())
            os._exit(memory.KILLED)
        _reap_orphans(started)


def _tell_of_memory(control: socket.socket) -> None:
    with contextlib.suppress(OSError):
        control.send(b'{"memory": true}', socket.MSG_DONTWAIT)


def _obey(order: dict[str, Any], control: socket.socket, started: int) -> None:
    if "signal" in order:
        with contextlib.suppress(ProcessLookupError):
            os.kill(started, order["signal"])
    elif "socket" in order:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as made_here:
            rights = array.array("i", [made_here.fileno()])
            control.sendmsg([b"{}"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])


def _reap_orphans(started: int) -> None:
    """Collect what the program's own children left behind, but never the program: its code is what we end with."""
    while True:
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if found is None or found.si_pid == started:
            return
        os.waitpid(found.si_pid, 0)
