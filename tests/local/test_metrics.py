"""Lines that functions print in the embedded metric format become metrics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from dropforge.local.functions import metrics
from dropforge.local.functions.logs import Logs
from tests.local.conftest import Stack
from tests.local.waiting import wait_until


def line(at: float, name: str = "Runs", value: Any = 1, **more: Any) -> str:
    """Make a line as a function prints it: counted for its stage, and for its outcome."""
    told = {"Namespace": "Tiny", "Dimensions": [["stage"], ["stage", "outcome"]], "Metrics": [{"Name": name}]}
    document = {"_aws": {"Timestamp": int(at * 1000), "CloudWatchMetrics": [told]}, "stage": "dev", "outcome": "failed"}
    return json.dumps(document | {name: value} | more)


def now() -> float:
    return datetime.now(UTC).timestamp()


@pytest.fixture
def logs(stack: Stack, tmp_path: Path) -> Iterator[Logs]:
    made = Logs(tmp_path, stack.client)
    made.start()
    yield made
    made.stop()


def total(stack: Stack, name: str, dimensions: dict[str, str]) -> float:
    query = {
        "Metric": {
            "Namespace": "Tiny",
            "MetricName": name,
            "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
        },
        "Period": 60,
        "Stat": "Sum",
    }
    answer = stack.client("cloudwatch").get_metric_data(
        MetricDataQueries=[{"Id": "sum", "MetricStat": query}],
        StartTime=datetime.now(UTC) - timedelta(hours=1),
        EndTime=datetime.now(UTC) + timedelta(minutes=2),
    )
    return float(sum(answer["MetricDataResults"][0]["Values"]))


def test_what_a_function_prints_can_be_asked_of_cloudwatch(stack: Stack, logs: Logs) -> None:
    for _ in range(3):
        logs.line("work", "stream", line(now(), "Printed"))
    logs.line("work", "stream", line(now(), "Printed", [2, 5]))
    wait_until(lambda: total(stack, "Printed", {"stage": "dev", "outcome": "failed"}) == 10)
    assert total(stack, "Printed", {"stage": "dev"}) == 10


def test_lines_that_count_nothing_leave_the_others_alone(stack: Stack, logs: Logs) -> None:
    bad = ["plain", '{"_aws": 1}', '{"_aws": {"CloudWatchMetrics": [{}], "Timestamp": 1}}', line(now(), "Odd", "many")]
    for text in [*bad, line(now(), "Good")]:
        logs.line("work", "stream", text)
    wait_until(lambda: total(stack, "Good", {"stage": "dev"}) == 1)
    assert total(stack, "Odd", {"stage": "dev"}) == 0


def test_a_set_of_dimensions_that_the_line_does_not_fill_makes_no_metric() -> None:
    told = {"Namespace": "Tiny", "Dimensions": [["stage", "missing"]], "Metrics": [{"Name": "Runs"}]}
    text = json.dumps({"_aws": {"Timestamp": 0, "CloudWatchMetrics": [told]}, "stage": "dev", "Runs": 1})
    assert list(metrics.read(text)) == []


@given(st.text() | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(json.dumps))
def test_any_line_is_read_or_passed_over(text: str) -> None:
    list(metrics.read(f'{{"_aws": {text}}}'))


def test_cloudwatch_out_of_reach_costs_the_figures_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    class Away:
        def put_metric_data(self, **_: Any) -> None:
            raise ClientError({"Error": {"Code": "InternalFailure", "Message": "away"}}, "PutMetricData")

    metrics.put(lambda _: Away(), [line(now())])
    assert "did not reach CloudWatch" in caplog.text
