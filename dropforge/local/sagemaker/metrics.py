"""Metrics out of log lines: each definition's expression is tried on each line, its first group is the figure."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dropforge.local.sagemaker.errors import ValidationError


@dataclass(slots=True)
class Metrics:
    """The last figure of each metric of one job."""

    definitions: Mapping[str, re.Pattern[str]]
    last: dict[str, tuple[float, float]] = field(default_factory=dict)

    def read(self, line: str) -> None:
        for name, expression in self.definitions.items():
            for found in expression.finditer(line):
                figure = _figure(found.group(1) if expression.groups else found.group(0))
                if figure is not None:
                    self.last[name] = (figure, time.time())

    def final(self) -> list[dict[str, Any]]:
        return [{"MetricName": name, "Value": value, "Timestamp": at} for name, (value, at) in self.last.items()]


def compile_all(definitions: Iterable[Mapping[str, str]]) -> Metrics:
    """Prepare the definitions of a job; ValidationException for one that is no expression."""
    try:
        return Metrics({one["Name"]: re.compile(one["Regex"]) for one in definitions})
    except re.error as error:
        raise ValidationError(f"Metric definition regex is not valid: {error}") from error


def _figure(text: str | None) -> float | None:
    try:
        figure = float(text or "")
    except ValueError:
        return None
    return figure if math.isfinite(figure) else None
