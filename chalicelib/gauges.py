"""What is counted, as a line in CloudWatch's embedded metric format: JSON in a log that becomes metrics by itself.

Pure, and as light as predict/ needs it; whoever stands at an edge prints the line. The form:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

from typing import Any, NamedTuple

NAMESPACE = "Dropforge"


class Gauge(NamedTuple):
    """One figure. CloudWatch charges for each set of dimensions: what stands in `by` and `pipeline` has few values."""

    name: str
    value: float = 1
    unit: str = "Count"
    by: tuple[tuple[str, str], ...] = ()
    """Dimensions beside the stage, such as (("outcome", "failed"),)."""
    pipeline: str | None = None
    """One that exists: the figure is kept for it, and for all pipelines together."""
    whole: bool = False
    """Whether it is kept for the stage as a whole, too: an alarm watches one set of dimensions."""


def document(gauge: Gauge, stage: str, at: float, **facts: Any) -> dict[str, Any]:
    """Give the line as JSON; `facts` stand beside the figure, to be searched for, and make no dimensions."""
    names = ["stage", *(name for name, _ in gauge.by)]
    sets = ([["stage"]] if gauge.whole else []) + [names] + ([] if gauge.pipeline is None else [[*names, "pipeline"]])
    metrics = [{"Name": gauge.name, "Unit": gauge.unit}]
    told = {"Namespace": NAMESPACE, "Dimensions": sets, "Metrics": metrics}
    line = {"_aws": {"Timestamp": int(at * 1000), "CloudWatchMetrics": [told]}, **facts, "stage": stage}
    line.update(gauge.by)
    if gauge.pipeline is not None:
        line["pipeline"] = gauge.pipeline
    line[gauge.name] = gauge.value
    return line
