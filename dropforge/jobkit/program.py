"""Run any program as a training job: it reads one JSON file and writes into one folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from .job import Job
from .training import attempt


def run(command: Sequence[str]) -> None:
    """Run `command` with the path of the job's JSON file as its last argument (and in DROPFORGE_JOB), then exit.

    The program writes its model into the folder that the file names as `output`. It reports with lines on stdout:
    `dropforge.progress=0.5 half`, `dropforge.metric validation:accuracy=0.97`, `dropforge.labels=["a", "b"]`.
    """
    sys.exit(attempt(lambda job: _call(list(command), job)))


def _call(command: list[str], job: Job) -> None:
    with tempfile.TemporaryDirectory(prefix="jobkit-") as folder:
        path = job.write(Path(folder) / "job.json")
        environ = dict(os.environ, DROPFORGE_JOB=str(path))
        with subprocess.Popen([*command, str(path)], env=environ) as child:
            # Passed on rather than raised here: the program alone knows how to stop well.
            signal.signal(signal.SIGTERM, _pass_on(child))
            code = child.wait()
    if code:
        raise SystemExit(code if code > 0 else 128 - code)


def _pass_on(child: subprocess.Popen[bytes]) -> Callable[[int, FrameType | None], None]:
    def stop(number: int, frame: FrameType | None) -> None:
        del frame
        child.send_signal(number)

    return stop
