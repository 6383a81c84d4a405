"""The process that a cloud is: where it logs, and how it is told to end."""

from __future__ import annotations

import atexit
import ctypes
import logging
import os
import signal
import threading
import time
from pathlib import Path
from typing import NoReturn

_MALLOC = ((-1, 128 * 1024), (-8, 1))
"""M_TRIM_THRESHOLD, kept where it begins, and M_ARENA_MAX.

`functions/runtime.py` has these and `keep_memory_small` once more: it may import nothing of ours.
"""
_LOOK = 0.5
"""Seconds."""


class EndedError(BaseException):
    """It is time to stop; raised wherever the main thread is, so that a start can be given up, too."""


def keep_memory_small() -> None:
    """Have glibc give back what is free, and share one heap among threads that mostly wait for one another anyway.

    See mallopt(3); where there is none, nothing is lost.
    """
    try:
        libc = ctypes.CDLL(None)
        for parameter, value in _MALLOC:
            libc.mallopt(parameter, value)
    except (OSError, AttributeError):
        return


def log_to(file: Path) -> None:
    handler = logging.FileHandler(file)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for talkative in ("kms", "samtranslator"):
        # They warn of what nobody here uses.
        logging.getLogger(talkative).setLevel(logging.ERROR)


def end_when_told(*, until_stdin_closes: bool) -> None:
    """Raise EndedError in the main thread at SIGTERM or SIGINT, or when whoever started us has gone."""

    def end(*_: object) -> None:
        # Once is enough: a second Ctrl-C must not cut short the saving of the state.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _heard)  # SIG_IGN would make Python complain of one that came at the same time
        raise EndedError

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
        atexit.register(signal.signal, number, signal.SIG_IGN)  # Python's own end would let one kill us again
    if until_stdin_closes:
        threading.Thread(target=_watch_stdin, name="stdin", daemon=True).start()


def wait_until_told() -> NoReturn:
    """Wait for the EndedError.

    By looking up now and then: the kernel gives the second of two signals to any thread, and Python tells of both in a
    main thread that runs. One that waits for a lock would not.
    """
    while True:
        time.sleep(_LOOK)


def _heard(*_: object) -> None:
    """Take a signal to end where that has begun."""


def _watch_stdin() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
