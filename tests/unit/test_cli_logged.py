"""`dropforge log --functions`, `--endpoints` and `dropforge metrics` over stand-ins for CloudWatch's clients."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dropforge.cli import since
from dropforge.cli.command import Session
from dropforge.cli.errors import UsageError
from dropforge.cli.logged import ENDPOINTS, FUNCTIONS, Reader, function_of, show, words
from dropforge.cli.metrics import Figure, _figures, _row
from dropforge.cli.render import Terminal


class Logs:
    """CloudWatch Logs, as far as the reader asks: pages of groups and of events."""

    def __init__(self, **groups: list[tuple[int, str]]) -> None:
        """Each function's lines: (milliseconds, text)."""
        self.groups = {f"/aws/lambda/dropforge-dev-{name}-1A2B3C": lines for name, lines in groups.items()}

    def get_paginator(self, operation: str) -> Any:
        logs = self

        class Paginator:
            def paginate(self, **asked: Any) -> Iterator[dict[str, Any]]:
                yield from logs.describe() if operation == "describe_log_groups" else logs.filter(**asked)

        return Paginator()

    def describe(self) -> Iterator[dict[str, Any]]:
        yield from ({"logGroups": [{"logGroupName": name}]} for name in self.groups)

    def filter(self, logGroupName: str, startTime: int) -> Iterator[dict[str, Any]]:  # noqa: N803 -- AWS's own names
        for number, (at, text) in enumerate(self.groups[logGroupName]):
            if at >= startTime:
                yield {"events": [{"eventId": f"{logGroupName} {number}", "timestamp": at, "message": f"{text}\n"}]}


def test_the_lines_of_all_functions_come_in_the_order_of_time_and_each_once() -> None:
    logs = Logs(OnWake=[(1_000, "a"), (3_000, "c")], Reconcile=[(2_000, "b")])
    reader = Reader(logs, "dropforge-dev", None, FUNCTIONS)
    assert [(line.of, line.text) for line in reader.news(0)] == [
        ("on_wake", "a"), ("reconcile", "b"), ("on_wake", "c"),
    ]  # fmt: skip
    assert reader.news(0) == []


def test_a_span_beyond_all_time_is_read_from_the_first_line_on() -> None:
    asked: list[int] = []

    class Asked(Logs):
        def filter(self, logGroupName: str, startTime: int) -> Iterator[dict[str, Any]]:  # noqa: N803 -- AWS's own names
            asked.append(startTime)
            return super().filter(logGroupName, startTime)

    place = SimpleNamespace(client=lambda _: Asked(OnWake=[(1_000, "a")]), stack="dropforge-dev")
    session = SimpleNamespace(place=place, terminal=Terminal())
    show(cast("Session", session), FUNCTIONS, None, seconds=since.seconds("999999d"), follow=False)
    assert asked == [0]


def test_a_line_that_comes_late_is_not_lost() -> None:
    logs = Logs(OnWake=[(20_000, "first")])
    reader = Reader(logs, "dropforge-dev", None, FUNCTIONS)
    assert [line.text for line in reader.news(0)] == ["first"]
    logs.groups["/aws/lambda/dropforge-dev-OnWake-1A2B3C"].append((15_000, "late"))
    assert [line.text for line in reader.news(0)] == ["late"]
    assert reader.news(0) == []


def test_one_function_can_be_named_and_an_unknown_one_is_told_which_there_are() -> None:
    logs = Logs(OnWake=[(1_000, "a")], APIHandler=[(2_000, "b")])
    assert [line.text for line in Reader(logs, "dropforge-dev", "api_handler", FUNCTIONS).news(0)] == ["b"]
    with pytest.raises(UsageError, match="api_handler, on_wake"):
        Reader(logs, "dropforge-dev", "onwake", FUNCTIONS).news(0)


def test_a_pipelines_endpoints_are_its_own_and_its_rehearsals() -> None:
    logs, head = Logs(), "/aws/sagemaker/Endpoints/dropforge-dev-"
    ends = ("digits-realtime", "digits-rehearse-0123456789ab", "digits-two-realtime")
    logs.groups = {head + end: [(number, f"{{{end}}}")] for number, end in enumerate(ends)}
    assert [line.of for line in Reader(logs, "dropforge-dev", None, ENDPOINTS).news(0)] == list(ends)
    assert [line.of for line in Reader(logs, "dropforge-dev", "digits", ENDPOINTS).news(0)] == list(ends[:2])
    assert [line.of for line in Reader(logs, "dropforge-dev", ends[1], ENDPOINTS).news(0)] == [ends[1]]
    with pytest.raises(UsageError, match="No endpoint digit has"):
        Reader(logs, "dropforge-dev", "digit", ENDPOINTS).news(0)


def test_what_a_model_prints_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    logs = Logs()
    logs.groups = {"/aws/sagemaker/Endpoints/dropforge-dev-a-realtime": [(1, '{"message": "no", "label": 7}')]}
    place = SimpleNamespace(client=lambda _: logs, stack="dropforge-dev")
    session = SimpleNamespace(place=place, terminal=Terminal())
    show(cast("Session", session), ENDPOINTS, "a", seconds=since.seconds("999999d"), follow=False)
    assert capsys.readouterr().out.rstrip().endswith('a-realtime            {"message": "no", "label": 7}')


@pytest.mark.parametrize(
    ("made", "name"),
    [("OnWake-1A2B3C", "on_wake"), ("APIHandler-x", "api_handler"), ("OnJobChanged-x", "on_job_changed")],
)
def test_a_function_bears_the_name_that_it_has_in_the_app(made: str, name: str) -> None:
    assert function_of(made) == name


def test_a_structured_line_is_read_as_step_outcome_and_facts() -> None:
    told: dict[str, Any] = {
        "level": "INFO",
        "service": "dropforge",
        "step": "wake",
        "outcome": "done",
        "run": "0123456789ab",
    }
    told |= {"became": {"run:0123456789ab": "training"}, "function_name": "f", "reason": None}
    said = words(json.dumps(told), told)
    assert said == 'wake done  run=0123456789ab  became={"run:0123456789ab": "training"}'


def test_figures_and_the_platforms_own_lines_are_no_reading() -> None:
    assert words("REPORT RequestId: 1", None) == ""
    assert words("{}", {"_aws": {}, "Runs": 1}) == ""
    assert words("{}", {"_aws": {}, "step": "predict", "outcome": "done", "status": 200}) == "predict done  status=200"
    assert words("plain words", None) == "plain words"


class CloudWatch:
    """Two metrics, one of which has no figure in the span."""

    def get_paginator(self, operation: str) -> Any:
        class Paginator:
            def paginate(self, **asked: Any) -> Iterator[dict[str, Any]]:
                if operation == "list_metrics":
                    assert asked["Dimensions"] == [{"Name": "stage", "Value": "dev"}]
                    yield {"Metrics": [metric("QueueAge", queue="wake"), metric("Runs", outcome="failed")]}
                    return
                values = {"q0_samplecount": [2.0, 1.0], "q0_sum": [30.0, 6.0], "q0_maximum": [20.0, 6.0]}
                for query in asked["MetricDataQueries"]:
                    yield {"MetricDataResults": [{"Id": query["Id"], "Values": values.get(query["Id"], [])}]}

        return Paginator()


def metric(name: str, **by: str) -> dict[str, Any]:
    dimensions = [{"Name": key, "Value": value} for key, value in {"stage": "dev", **by}.items()]
    return {"Namespace": "Dropforge", "MetricName": name, "Dimensions": dimensions}


def test_a_metric_is_summed_up_over_its_periods() -> None:
    (found,) = _figures(CloudWatch(), "dev", 3600)
    assert (found.samples, found.total, found.average, found.highest) == (3, 36.0, 12.0, 20.0)
    assert _row(found) == ("QueueAge", "wake", "(all)", 3, "12.0 s", "20.0 s")


def test_what_is_counted_shows_its_sum_and_no_times() -> None:
    figure = Figure("Runs", {"stage": "dev", "outcome": "failed", "pipeline": "digits"}, 2, 2.0, 1.0)
    assert _row(figure) == ("Runs", "failed", "digits", 2, None, None)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("15m", 900), ("2h", 7200), ("3d", 259_200)])
def test_a_span_of_time_is_read(text: str, seconds: int) -> None:
    assert since.seconds(text) == seconds
