"""`dropforge` as a user calls it, its output in pipes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests import typed
from tests.typed import Ended
from tests.unit.stubcloud import StubCloud

STARTS_OTHERS = frozenset({"up", "down", "exec"})
RUN = "0123456789ab"


@dataclass(frozen=True)
class Tool:
    """`dropforge`, called as a user calls it, with its output in pipes."""

    cloud: StubCloud
    more: dict[str, str] = field(default_factory=dict)
    """Further variables of the environment."""

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "DROPFORGE_HOME": str(self.cloud.home), "COLUMNS": "200"} | self.more

    def __call__(self, *words: str) -> Ended:
        """Call it in this process, where it starts none of its own."""
        if words[0] not in STARTS_OTHERS:
            return typed.dropforge(words, self.environment)
        with self.start(*words) as process:
            out, err = process.communicate(timeout=60)
        return Ended(process.returncode, out, err)

    def start(self, *words: str, stdin: int | None = None) -> subprocess.Popen[str]:
        """Call it in a process of its own, to be interrupted and watched."""
        return subprocess.Popen(
            [sys.executable, "-m", "dropforge.cli.main", *words],
            env=self.environment,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        os.sched_yield()


def run(stage: str, **more: Any) -> dict[str, Any]:
    """Make a run as the API tells it."""
    return {
        "run": RUN,
        "dataset": "digits/first",
        "pipeline": "digits",
        "state": "registered",
        "stage": stage,
        "reason": None,
        "todo": None,
        "sealed_at": "2031-05-01T10:00:00.000+00:00",
        "channels": [{"name": "training", "objects": 3, "bytes": 2048}],
        "candidate": {"job": "j", "status": "Completed", "secondary": "Completed"},
        "metrics": {"validation:accuracy": 0.97},
        "release": None,
        "timeline": [{"at": "2031-05-01T10:00:00.000+00:00", "what": "sealed", "facts": {"objects": 3}}],
    } | more
