"""Stays beside one container: starts it, passes signals on, removes it when it has ended or nobody wants it any more.

Run by path with `python -I -S keeper.py FD`; it imports nothing of ours. FD is one end of a socket pair: what to say to
the engine comes in first, then orders, a line of JSON each. When the other end closes, for whatever reason, the
container is killed and removed. What the container writes goes straight to this process's own output.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections import deque
from typing import Any, NoReturn

LOOK_SECONDS = 0.05
PATIENCE_SECONDS = 60.0
KILLED = 128 + signal.SIGKILL


def main() -> NoReturn:
    control = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(control.fileno(), False)
    said = b""
    while b"\n" not in said:
        said += control.recv(65536) or _gone()
    line, _, rest = said.partition(b"\n")
    _serve(control, json.loads(line), rest)


def _gone() -> NoReturn:
    os._exit(KILLED)


def _serve(control: socket.socket, told: dict[str, Any], said: bytes) -> NoReturn:
    attached: subprocess.Popen[bytes] | None = None
    orders: deque[list[str]] = deque()
    while True:
        *lines, said = said.split(b"\n")
        for order in map(json.loads, lines):
            if "begin" in order and attached is None:
                attached = subprocess.Popen(told["start"], stdin=subprocess.DEVNULL)
            if "say" in order:
                orders.append(order["say"])
        if attached and (code := attached.poll()) is not None:
            _end(told["remove"], code)
        # A signal that comes before the program is there waits for it.
        if attached and orders and _run(orders[0]):
            orders.popleft()
        if select.select([control], [], [], LOOK_SECONDS)[0]:
            more = control.recv(65536)
            if not more:
                _kill(told, attached)
            said += more


def _kill(told: dict[str, Any], attached: subprocess.Popen[bytes] | None) -> NoReturn:
    _run(told["kill"])
    _run(told["remove"][0])
    if attached:
        with contextlib.suppress(subprocess.TimeoutExpired):
            attached.wait(PATIENCE_SECONDS)
        attached.kill()
    _end([*told["remove"][1:], *told["abandon"]], KILLED)


def _end(remove: list[list[str]], code: int) -> NoReturn:
    for words in remove:
        _run(words)
    os._exit(code)


def _run(words: list[str]) -> bool:
    """Say something to the engine; tells whether it said yes."""
    try:
        ended = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ended.returncode == 0


if __name__ == "__main__":
    main()
