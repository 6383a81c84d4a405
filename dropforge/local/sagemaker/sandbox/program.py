"""Starts the one program that is to run, within its limits. Imported by its path; it imports nothing of ours."""

from __future__ import annotations

import contextlib
import os
import signal

TYPE_CHECKING = False  # see kernel.py
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

_CANNOT_RUN = 127  # a shell's code for a command that cannot be run


def start(spec: Mapping[str, Any], limits: Mapping[str, str], give_up: Callable[[], None]) -> int:
    """Start it in a session of its own; gives its process. `give_up` is called in there, for what it may not keep.

    `limits` are those that are set, by their names in the specification and those of the kernel.
    """
    started = os.fork()
    if started:
        return started
    try:
        os.setsid()
        give_up()
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)  # they are ignored here, and what is ignored stays so over an exec
        _limit(spec["limits"], limits)
        os.chdir(spec["folder"])
        os.execvpe(spec["command"][0], spec["command"], spec["environment"])  # noqa: S606 - an argument list
    except Exception as error:  # noqa: BLE001 - the process's edge: whatever it is, it is told, and nothing runs on
        os.write(2, f"cannot run {spec['command'][0]}: {error}\n".encode())
    os._exit(_CANNOT_RUN)


def exit_code(status: int) -> int:
    """Give the code of a shell for what `waitpid` says: 128 + n after signal n."""
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def _limit(asked: Mapping[str, int | None], limits: Mapping[str, str]) -> None:
    import resource

    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:  # noqa: PTH123 - see root.py
        file.write("1000")  # where memory ends all the same, the kernel takes the program and not the cloud
    # DATA counts what a process may write to and shares with nobody, touched or not; what it maps besides is free.
    for name, kind in limits.items():
        if wanted := asked[name]:
            limit = getattr(resource, f"RLIMIT_{kind}")
            most = resource.getrlimit(limit)[1]
            wanted = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
            resource.setrlimit(limit, (wanted, wanted))
