"""`dropforge` as a user calls it at a real local cloud: a process of its own, its output in pipes or on a terminal."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests import typed
from tests.typed import Ended

STARTS_OTHERS = frozenset({"up", "down", "exec"})
_PATIENCE = 180


@dataclass(frozen=True, slots=True)
class Tool:
    """Calls `dropforge` with one home and nothing else in the environment."""

    home: Path

    def __call__(self, *words: str | Path) -> Ended:
        """Call it in this process, where it starts none of its own."""
        if str(words[0]) not in STARTS_OTHERS:
            return typed.dropforge([str(word) for word in words], self.environment)
        done = subprocess.run(
            self.command(*words), env=self.environment, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def command(self, *words: str | Path) -> list[str]:
        return [sys.executable, "-m", "dropforge.cli.main", *map(str, words)]

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "DROPFORGE_HOME": str(self.home), "COLUMNS": "200", "TERM": "xterm"}

    def on_a_terminal(self, *words: str | Path) -> tuple[int, str]:
        """Call it with a terminal for its output; gives its exit code and what stood on the terminal."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            self.command(*words), env=self.environment, stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL
        )
        os.close(theirs)
        said, deadline = b"", time.monotonic() + _PATIENCE
        try:
            with suppress(OSError):  # the terminal is gone when its last user is
                while time.monotonic() < deadline and (select.select([ours], [], [], 1)[0] or process.poll() is None):
                    said += os.read(ours, 65536) if select.select([ours], [], [], 0)[0] else b""
            return process.wait(10), said.decode()
        finally:
            process.kill()
            os.close(ours)
