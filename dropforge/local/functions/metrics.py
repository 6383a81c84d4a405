"""Makes metrics of log lines in the embedded metric format, as CloudWatch Logs does on AWS.

What a line gets wrong makes no metric, and no noise: on AWS, too, it only stays a line of the log.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from dropforge.local.stack import Client

_AT_ONCE = 100
"""Metrics in one call; CloudWatch takes 1000, in at most 1 MB."""
_MINUTE = 60
_UNITS = frozenset({"Seconds", "Microseconds", "Milliseconds", "Bytes", "Percent", "Count", "Count/Second", "None"})

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric in one minute, which is the finest that CloudWatch keeps of such lines."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    unit: str
    minute: int


def put(client: Client, lines: Iterable[str]) -> None:
    """Put what the lines count; a trouble is told and costs these figures alone."""
    found: dict[Metric, list[float]] = defaultdict(list)
    for line in lines:
        for metric, value in read(line):
            found[metric].append(value)
    by_namespace: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for metric, values in found.items():
        by_namespace[metric.namespace].append(_datum(metric, values))
    for namespace, data in by_namespace.items():
        for first in range(0, len(data), _AT_ONCE):
            _send(client, namespace, data[first : first + _AT_ONCE])


def read(line: str) -> Iterator[tuple[Metric, float]]:
    """Give each figure of a line, once for each set of dimensions; nothing for any other line."""
    if '"_aws"' not in line:
        return
    try:
        document = json.loads(line)
        told = document["_aws"]
        for directive in told["CloudWatchMetrics"]:
            yield from list(_figures(document, directive, int(told["Timestamp"]) // 1000))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return


def _figures(document: Mapping[str, Any], directive: Mapping[str, Any], at: int) -> Iterator[tuple[Metric, float]]:
    sets = [tuple((str(name), str(document[name])) for name in names) for names in directive["Dimensions"]]
    for each in directive["Metrics"]:
        given = document[each["Name"]]
        for value in given if isinstance(given, list) else [given]:
            unit = each.get("Unit") if each.get("Unit") in _UNITS else "None"
            for dimensions in sets:
                yield (
                    Metric(directive["Namespace"], each["Name"], dimensions, unit, at // _MINUTE * _MINUTE),
                    float(value),
                )


def _datum(metric: Metric, values: list[float]) -> dict[str, Any]:
    """Sum up the values: whoever asks for percentiles gets none, and a flood of figures is one."""
    return {
        "MetricName": metric.name,
        "Dimensions": [{"Name": name, "Value": value} for name, value in metric.dimensions],
        "Unit": metric.unit,
        "Timestamp": metric.minute,
        "StatisticValues": {
            "SampleCount": len(values),
            "Sum": sum(values),
            "Minimum": min(values),
            "Maximum": max(values),
        },
    }


def _send(client: Client, namespace: str, data: list[dict[str, Any]]) -> None:
    try:
        client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=data)
    except (BotoCoreError, ClientError) as error:
        logger.warning("figures of %s did not reach CloudWatch: %s", namespace, error)
