"""The first moments of a command, while libraries are loaded: neither Ctrl-C nor a missing one ends in a traceback."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from dropforge.cli import installed
from dropforge.cli.errors import Exit


@contextmanager
def beginning() -> Iterator[None]:
    """Import within: an interrupt ends the process at once (130), a package that is not there with a sentence (2)."""
    with _ended_by_interrupts():
        try:
            yield
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] == "dropforge":
                raise
            sys.stderr.write(f"dropforge: {installed.advice(error.name or str(error))}\n")
            sys.exit(Exit.USAGE)


@contextmanager
def _ended_by_interrupts() -> Iterator[None]:
    # Who has a handler of their own, or ignores interrupts, keeps that; and only the main thread may set one.
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    # No exception: one that rises inside an import may be swallowed there, or printed.
    signal.signal(signal.SIGINT, lambda *_: os._exit(Exit.INTERRUPTED))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
