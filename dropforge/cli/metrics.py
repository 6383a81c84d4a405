"""metrics: what a stage has counted, through CloudWatch: at home as on AWS."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import typer

from dropforge.cli.command import Session, command
from dropforge.cli.errors import UsageError
from dropforge.cli.render import duration
from dropforge.cli.since import Since, seconds

app = typer.Typer()

_NAMESPACE = "Dropforge"
_STATISTICS = ("SampleCount", "Sum", "Maximum")
_QUERIES = 500
"""In one call of GetMetricData."""
_LISTED = 14 * 86_400
"""Seconds: CloudWatch lists a metric for two weeks after its last figure."""
_IN_SECONDS = frozenset({"QueueAge", "TimeToLive"})
_FINE, _COARSE, _FINE_FOR = 60, 300, 3 * 3600
"""Periods in seconds, and how far back the finer is asked for."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric over the span that was asked for."""

    name: str
    dimensions: Mapping[str, str]
    samples: int
    total: float
    highest: float

    @property
    def average(self) -> float:
        return self.total / self.samples


@command(app, epilog="Example: dropforge metrics --since 1d")
def metrics(session: Session, *, since: Since = "1h") -> None:
    """Show what was counted: runs and releases by outcome, refusals, predictions, times and failures."""
    span = seconds(since)
    if span > _LISTED:
        raise UsageError("CloudWatch lists no metric for longer than 14 days: ask for --since 14d.")
    found = sorted(_figures(session.place.client("cloudwatch"), session.stage, span), key=_order)
    if session.terminal.as_json:
        session.terminal.data([_told(each) for each in found])
        return
    columns = ("metric", "of", "pipeline", "count", "average", "highest")
    session.terminal.table(columns, (_row(each) for each in found))
    if not found:
        session.terminal.note(f"Nothing was counted in the last {duration(span)}.")


def _figures(cloudwatch: Any, stage: str, span: int) -> Iterator[Figure]:
    known = list(_list(cloudwatch, stage))
    queries = [
        {
            "Id": f"q{at}_{statistic.lower()}",
            "MetricStat": {"Metric": metric, "Period": _FINE if span <= _FINE_FOR else _COARSE, "Stat": statistic},
        }
        for at, metric in enumerate(known)
        for statistic in _STATISTICS
    ]
    values = _values(cloudwatch, queries, span)
    for at, metric in enumerate(known):
        samples, total, highest = (values.get(f"q{at}_{statistic.lower()}", []) for statistic in _STATISTICS)
        if samples:
            dimensions = {each["Name"]: each["Value"] for each in metric["Dimensions"]}
            yield Figure(metric["MetricName"], dimensions, round(sum(samples)), sum(total), max(highest))


def _list(cloudwatch: Any, stage: str) -> Iterator[dict[str, Any]]:
    pages = cloudwatch.get_paginator("list_metrics").paginate(
        Namespace=_NAMESPACE, Dimensions=[{"Name": "stage", "Value": stage}]
    )
    for found in (found for page in pages for found in page["Metrics"]):
        yield {name: found[name] for name in ("Namespace", "MetricName", "Dimensions")}


def _values(cloudwatch: Any, queries: Sequence[dict[str, Any]], span: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    now = datetime.fromtimestamp(time.time(), UTC)
    for first in range(0, len(queries), _QUERIES):
        pages = cloudwatch.get_paginator("get_metric_data").paginate(
            MetricDataQueries=queries[first : first + _QUERIES],
            StartTime=now - timedelta(seconds=span),
            EndTime=now + timedelta(seconds=_FINE),
        )
        for each in (each for page in pages for each in page["MetricDataResults"]):
            found.setdefault(each["Id"], []).extend(each["Values"])
    return found


def _order(figure: Figure) -> tuple[str, str, str]:
    return figure.name, figure.dimensions.get("pipeline", ""), _of(figure)


def _of(figure: Figure) -> str:
    """Give what a metric is split by, beside stage and pipeline: an outcome, a queue or a step."""
    return " ".join(value for name, value in figure.dimensions.items() if name not in {"stage", "pipeline"})


def _row(figure: Figure) -> tuple[Any, ...]:
    timed = figure.name in _IN_SECONDS
    return (
        figure.name,
        _of(figure) or None,
        figure.dimensions.get("pipeline", "(all)"),
        figure.samples if timed else round(figure.total),
        duration(figure.average) if timed else None,
        duration(figure.highest) if timed else None,
    )


def _told(figure: Figure) -> dict[str, Any]:
    return {
        "metric": figure.name,
        "dimensions": dict(figure.dimensions),
        "samples": figure.samples,
        "sum": figure.total,
        "average": figure.average,
        "maximum": figure.highest,
    }
