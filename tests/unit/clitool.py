"""`dropforge` as a user calls it: a process of its own, its output in pipes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.unit.stubcloud import StubCloud


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Tool:
    """`dropforge`, called as a user calls it: a process of its own with its output in pipes."""

    cloud: StubCloud

    def __call__(self, *words: str) -> Ended:
        with self.start(*words) as process:
            out, err = process.communicate(timeout=60)
        return Ended(process.returncode, out, err)

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "dropforge.cli.main", *words],
            env={"PATH": os.environ["PATH"], "DROPFORGE_HOME": str(self.cloud.home), "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        os.sched_yield()
