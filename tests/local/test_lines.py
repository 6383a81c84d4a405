"""What CloudWatch Logs keeps of what was printed, and what a snapshot of it costs."""

from __future__ import annotations

import time
import uuid
from typing import Any, cast

from dropforge.local.ministack import lines
from tests.local.conftest import Stack
from tests.local.waiting import wait_until


def put(stack: Stack, group: str, count: int) -> list[str]:
    """Print so many numbered lines into the only stream of a new group."""
    logs, now = stack.client("logs"), int(time.time() * 1000)
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="one")
    printed = [f"line {number}" for number in range(count)]
    for start in range(0, count, 1_000):
        events = [{"timestamp": now, "message": line} for line in printed[start : start + 1_000]]
        logs.put_log_events(logGroupName=group, logStreamName="one", logEvents=events)
    return printed


def read(stack: Stack, group: str) -> list[str]:
    asked: dict[str, Any] = {"logGroupName": group, "logStreamName": "one", "startFromHead": True, "limit": 10_000}
    answer = stack.client("logs").get_log_events(**asked)
    return [event["message"] for event in answer["events"]]


def test_of_what_a_function_prints_the_newest_lines_are_kept(stack: Stack) -> None:
    group = f"{lines.FUNCTIONS}{uuid.uuid4().hex}"
    printed = put(stack, group, lines.KEPT_OF_FUNCTIONS + 2_000)
    kept = read(stack, group)
    assert lines.KEPT_OF_FUNCTIONS <= len(kept) <= lines.KEPT_OF_FUNCTIONS * 1.1
    assert kept == printed[-len(kept) :]


def test_other_programs_lose_no_line_that_early(stack: Stack) -> None:
    group = f"/aws/sagemaker/TrainingJobs/{uuid.uuid4().hex}"
    printed = put(stack, group, 7_000)
    assert read(stack, group) == printed


def test_the_characters_of_a_stream_are_counted_now_and_then_and_the_newest_stay() -> None:
    events = [{"message": "x" * (lines.KEPT_CHARACTERS // 100), "eventId": number} for number in range(500)]
    assert [each["eventId"] for each in lines.newest(events, 10_000, 1)] == list(range(400, 500))
    assert lines.newest(events[:-1], 10_000, 1) == events[:-1]


def test_a_copy_of_the_state_shares_the_lines_and_has_no_second_of_each(stack: Stack) -> None:
    from ministack.services import cloudwatch_logs

    group = f"/test/{uuid.uuid4().hex}"
    put(stack, group, 10)
    state, other = cloudwatch_logs.get_state(), cloudwatch_logs.get_state()
    one, two = (_streams(state, group), _streams(other, group))
    assert one is not two
    assert [a is b for a, b in zip(one["one"]["events"], two["one"]["events"], strict=True)] == [True] * 10
    assert group not in {record["@log"] for _, record in state["log_records"].all_items()}


def _streams(state: dict[str, Any], group: str) -> dict[str, Any]:
    (found,) = [found["streams"] for (*_, name), found in state["log_groups"].all_items() if name == group]
    return cast("dict[str, Any]", found)


def test_logs_insights_finds_lines_all_the_same(stack: Stack) -> None:
    group, now = f"/test/{uuid.uuid4().hex}", int(time.time())
    put(stack, group, 3)
    logs = stack.client("logs")
    query = logs.start_query(
        logGroupName=group, startTime=now - 60, endTime=now + 60, queryString="fields @message, @ptr"
    )
    found = wait_until(lambda: logs.get_query_results(queryId=query["queryId"])["results"])
    fields = [{field["field"]: field["value"] for field in row} for row in found]
    assert sorted(row["@message"] for row in fields) == ["line 0", "line 1", "line 2"]
    record = logs.get_log_record(logRecordPointer=fields[0]["@ptr"])["logRecord"]
    assert record["@message"] == fields[0]["@message"]
