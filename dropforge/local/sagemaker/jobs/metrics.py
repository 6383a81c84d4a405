"""Metrics out of log lines: each definition's expression is tried on each line, its first group is the figure.

The expressions are a user's, and one that backtracks holds up the process it runs in: it is not ours (`figures.py`).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from dropforge.local.sagemaker.errors import ValidationError

_FIGURES = Path(__file__).with_name("figures.py")
_PATIENCE = 120.0
"""Seconds until the last figures must be there: as many expressions as a job may have, with the time that each has."""


class Metrics:
    """The last figure of each metric of one job."""

    def __init__(self, definitions: Mapping[str, str]) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        if definitions:
            command = [sys.executable, "-I", "-S", str(_FIGURES)]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
            )
            self._write(json.dumps(definitions).encode())

    def read(self, line: bytes) -> None:
        self._write(line.rstrip(b"\r\n"))

    def final(self) -> list[dict[str, Any]]:
        """End the reading; gives what was found."""
        if self._process is None:
            return []
        try:
            said, _ = self._process.communicate(timeout=_PATIENCE)
            found = json.loads(said)
        except (subprocess.TimeoutExpired, OSError, ValueError):
            self._process.kill()
            self._process.communicate()
            found = {}
        return [{"MetricName": name, "Value": value, "Timestamp": at} for name, (value, at) in found.items()]

    def _write(self, line: bytes) -> None:
        stream: IO[bytes] | None = self._process.stdin if self._process else None
        if stream is not None:
            with suppress(OSError, ValueError):  # it is gone: then there are no figures, and the log goes on
                stream.write(line + b"\n")
                stream.flush()


def check(definitions: Iterable[Mapping[str, str]]) -> None:
    """Refuse an expression that is none, with a ValidationException."""
    try:
        for one in definitions:
            re.compile(one["Regex"])
    except (re.error, OverflowError, RecursionError) as error:
        raise ValidationError(f"Metric definition regex is not valid: {error}") from error


def read_all(definitions: Iterable[Mapping[str, str]]) -> Metrics:
    """Begin to read the metrics of a job."""
    return Metrics({one["Name"]: one["Regex"] for one in definitions})
