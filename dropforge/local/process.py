"""The process that a cloud is: where it logs, and how it is told to end."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import threading
from pathlib import Path

_MALLOC = ((-1, 128 * 1024), (-8, 1))
"""M_TRIM_THRESHOLD, kept where it begins, and M_ARENA_MAX.

`functions/runtime.py` has these and `keep_memory_small` once more: it may import nothing of ours.
"""


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
            signal.signal(number, signal.SIG_IGN)
        raise EndedError

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    if until_stdin_closes:
        threading.Thread(target=_watch_stdin, name="stdin", daemon=True).start()


def _watch_stdin() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
