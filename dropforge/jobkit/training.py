"""Run a training function: its exception becomes the failure that SageMaker reports, its SIGTERM an orderly end."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Callable, TypeVar

from .job import Job, ml_root, read_job
from .lines import one_line

Train = TypeVar("Train", bound=Callable[[Job], object])

_REASON_LIMIT = 1024
"""SageMaker takes so many characters of the failure file as FailureReason."""
_STOPPED = 143
"""What a shell says of a program that SIGTERM ended."""


def main(train: Train) -> Train:
    """Run `train(job)` where the file that says so is the program; imported by a test, leave it alone.

    Call it in the last line of the file: `jobkit.main(train)`; or use it as a decorator of the last function.
    """
    if sys._getframe(1).f_globals.get("__name__") == "__main__":  # noqa: SLF001 -- the one way to know who called
        sys.exit(attempt(train))
    return train


def attempt(train: Callable[[Job], object], environ: Mapping[str, str] = os.environ) -> int:
    """Run `train` on this container's job; give the exit code."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        train(read_job(environ))
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if code not in (0, _STOPPED):
            fail(f"the program ended with exit code {code if isinstance(end.code, int) else end.code}", environ)
        return code
    except BaseException as error:  # noqa: BLE001 -- the process's edge: whatever ended it is the reason to report
        traceback.print_exc()
        fail(reason(error), environ)
        return 1
    return 0


def reason(error: BaseException) -> str:
    """Say in one line what went wrong, and in which line of whose file: `ValueError: no images (train.py:12)`."""
    text = f"{type(error).__name__}: {one_line(str(error))}".rstrip(": ")
    frames = traceback.extract_tb(error.__traceback__)
    here = str(Path(__file__).parent)
    theirs = [frame for frame in frames if not frame.filename.startswith((here, sys.prefix, sys.base_prefix, "<"))]
    where = (theirs or [frame for frame in frames if not frame.filename.startswith(here)] or frames)[-1:]
    places = [f"({Path(frame.filename).name}:{frame.lineno})" for frame in where]
    place = " ".join(places)
    return " ".join([text[: _REASON_LIMIT - len(place) - 1], *places])


def fail(text: str, environ: Mapping[str, str] = os.environ) -> None:
    """Write the failure file; where that cannot be done, the log already has the reason."""
    path = ml_root(environ) / "output" / "failure"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text[:_REASON_LIMIT], encoding="utf-8")
    except OSError as error:
        sys.stderr.write(f"the failure file could not be written: {error}\n")


def _stop(number: int, frame: FrameType | None) -> None:
    """Turn SIGTERM into SystemExit: `finally` and `with` of the user's code still run, within the 120 s given."""
    del number, frame
    sys.exit(_STOPPED)
