"""Metrics out of log lines: each definition's expression is tried on each line, its first group is the figure.

The expressions are a user's, and one that backtracks holds up the process it runs in: it is not ours (`figures.py`).
Figures go to CloudWatch while the job runs, those of one second together.
"""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from dropforge.local.sagemaker.jobs import refusals

NAMESPACE = "/aws/sagemaker/TrainingJobs"
_FIGURES = Path(__file__).with_name("figures.py")
_PATIENCE = 120.0
"""Seconds until the last figures must be there: as many expressions as a job may have, with the time that each has."""
_PAUSE = 1.0
_BATCH = 500

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Sample:
    """The figures of one metric in one second."""

    count: int = 0
    total: float = 0.0
    least: float = float("inf")
    most: float = float("-inf")

    def add(self, figure: float) -> None:
        self.count += 1
        self.total += figure
        self.least, self.most = min(self.least, figure), max(self.most, figure)

    def datum(self, name: str, second: int, job: str) -> dict[str, Any]:
        statistics = {"SampleCount": self.count, "Sum": self.total, "Minimum": self.least, "Maximum": self.most}
        dimensions = [{"Name": "TrainingJobName", "Value": job}]
        return {"MetricName": name, "Timestamp": second, "StatisticValues": statistics, "Dimensions": dimensions}


class Metrics:
    """The figures of one try of one job."""

    def __init__(self, definitions: Sequence[tuple[str, str]], job: str, client: Callable[[str], Any]) -> None:
        self._job = job
        self._client = client
        self._last: dict[str, tuple[float, float]] = {}
        self._waiting: dict[tuple[str, int], Sample] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._threads: list[threading.Thread] = []
        if definitions:
            command = [sys.executable, "-I", "-S", str(_FIGURES)]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
            )
            self._write(json.dumps(definitions).encode())
            for work in (self._gather, self._send_on):
                self._threads.append(threading.Thread(target=work, name=f"metrics-{job}", daemon=True))
                self._threads[-1].start()

    def read(self, line: bytes) -> None:
        self._write(line.rstrip(b"\r\n"))

    def final(self) -> list[dict[str, Any]]:
        """End the reading; gives the last figure of each metric."""
        if self._process is None or self._process.stdin is None:
            return []
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._ended.set()
        for thread in self._threads:
            thread.join()
        return [{"MetricName": name, "Value": value, "Timestamp": at} for name, (value, at) in self._last.items()]

    def _write(self, line: bytes) -> None:
        stream: IO[bytes] | None = self._process.stdin if self._process else None
        if stream is not None:
            with suppress(OSError, ValueError):  # it is gone: then there are no figures, and the log goes on
                stream.write(line + b"\n")
                stream.flush()

    def _gather(self) -> None:
        """Take the figures as they are found, until there are no more."""
        stream = self._process.stdout if self._process else None
        if stream is None:
            return
        with stream:
            for line in stream:
                name, figure, at = json.loads(line)
                with self._lock:
                    self._last[name] = (figure, at)
                    self._waiting.setdefault((name, int(at)), Sample()).add(figure)

    def _send_on(self) -> None:
        while not self._ended.wait(_PAUSE):
            self._send()
        self._threads[0].join()
        self._send()

    def _send(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        data = [sample.datum(name, second, self._job) for (name, second), sample in waiting.items()]
        for start in range(0, len(data), _BATCH):
            try:
                batch = data[start : start + _BATCH]
                self._client("cloudwatch").put_metric_data(Namespace=NAMESPACE, MetricData=batch)
            except Exception:  # the edge of the thread: figures that are lost end no job
                logger.exception("figures of %s were lost", self._job)


def check(definitions: Iterable[Mapping[str, str]]) -> None:
    """Refuse an expression that is none, with a ValidationException."""
    try:
        for one in definitions:
            re.compile(one["Regex"])
    except (re.error, OverflowError, RecursionError) as error:
        raise refusals.BAD_REGEX(error=error) from error


def read_all(definitions: Iterable[Mapping[str, str]], job: str, client: Callable[[str], Any]) -> Metrics:
    """Begin to read the metrics of a job."""
    return Metrics([(one["Name"], one["Regex"]) for one in definitions], job, client)
