"""`dropforge events tail`: what it prints, and that it shows each event once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.unit.clitool import RUN, Tool, until
from tests.unit.stubcloud import Reply, StubCloud, running


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[StubCloud]:
    with running(tmp_path / "home") as cloud:
        yield cloud


@pytest.fixture
def dropforge(cloud: StubCloud) -> Tool:
    return Tool(cloud, {"TZ": "UTC"})


def event(number: int, kind: str = "Run State Change", **detail: Any) -> dict[str, Any]:
    at = f"2031-05-01T10:00:{number:02}.000+00:00"
    said = {
        "at": at,
        "pipeline": "digits",
        "dataset": "first",
        "run": RUN,
        "previousState": "training",
        "state": "evaluating",
        "reason": None,
    }
    return {"id": f"{number:032x}", "type": f"Dropforge {kind}", "published_at": at, "detail": said | detail}


class Log:
    """The list of events as the API gives it: from a moment on, after a token, or the newest."""

    def __init__(self, *events: dict[str, Any]) -> None:
        self.events = list(events)
        self.asked: list[Mapping[str, str]] = []

    def __call__(self, query: Mapping[str, str]) -> Reply:
        self.asked.append(dict(query))
        limit = int(query["limit"])
        if "since" in query:
            since = datetime.fromisoformat(query["since"])
            start = sum(datetime.fromisoformat(each["published_at"]) < since for each in self.events)
        else:
            start = int(query["next"]) if "next" in query else max(len(self.events) - limit, 0)
        given = self.events[start : start + limit]
        return 200, {"events": given, "next": str(start + len(given))}


def test_an_event_is_one_line_with_when_what_whose_and_why(cloud: StubCloud, dropforge: Tool) -> None:
    cloud.routes["/api/v1/events"] = Log(
        event(1, "Dataset State Change", run=None, previousState=None, state="collecting"),
        event(2),
        event(3, "Release State Change", dataset=None, previousState="rehearsing", state="failed", reason="It\nbroke."),
    )
    assert dropforge("events", "tail", "--no-follow").out.splitlines() == [
        "2031-05-01 10:00:01  dataset   digits/first  collecting",
        f"2031-05-01 10:00:02  run       digits/first  {RUN}  training → evaluating",
        f"2031-05-01 10:00:03  release   digits  {RUN}  rehearsing → failed  It broke.",
    ]


def test_the_newest_come_first_as_many_as_asked_for(cloud: StubCloud, dropforge: Tool) -> None:
    cloud.routes["/api/v1/events"] = Log(*map(event, range(20)))
    shown = dropforge("events", "tail", "--no-follow", "--limit", "2", "--json").out.splitlines()
    assert [json.loads(line)["id"] for line in shown] == [event(18)["id"], event(19)["id"]]


def test_since_reads_page_by_page(cloud: StubCloud, dropforge: Tool) -> None:
    cloud.routes["/api/v1/events"] = log = Log(*[event(number % 50) | {"id": str(number)} for number in range(250)])
    shown = dropforge("events", "tail", "--no-follow", "--since", "2031-05-01T09:00:00Z", "--json").out.splitlines()
    assert [json.loads(line)["id"] for line in shown] == [str(number) for number in range(250)]
    assert [each.get("next") for each in log.asked] == [None, "100", "200"]


@pytest.mark.parametrize(("span", "seconds"), [("15m", 900), ("2d", 172_800)])
def test_since_takes_a_span_of_time_too(cloud: StubCloud, dropforge: Tool, span: str, seconds: int) -> None:
    cloud.routes["/api/v1/events"] = log = Log()
    before = time.time()
    assert dropforge("events", "tail", "--no-follow", "--since", span).code == 0
    since = datetime.fromisoformat(log.asked[0]["since"]).timestamp()
    assert before - seconds <= since <= time.time() - seconds


@pytest.mark.parametrize("span", ["15d", "999999d"])
def test_a_span_beyond_what_is_kept_is_a_usage_error(dropforge: Tool, span: str) -> None:
    ended = dropforge("events", "tail", "--since", span)
    assert (ended.code, "ask for --since 14d" in ended.err) == (2, True), ended


def test_two_ways_to_begin_are_a_usage_error(dropforge: Tool) -> None:
    ended = dropforge("events", "tail", "--no-follow", "--since", "15m", "--limit", "2")
    assert (ended.code, "two ways to begin" in ended.err) == (2, True)


def test_the_group_s_help_has_an_example_too(dropforge: Tool) -> None:
    assert "Example: dropforge events tail" in dropforge("events", "--help").out


def test_a_moment_that_is_none_is_a_usage_error(dropforge: Tool) -> None:
    ended = dropforge("events", "tail", "--since", "tomorrow")
    assert (ended.code, "--since takes a moment" in ended.err) == (2, True), ended


def test_a_tail_goes_on_and_shows_each_once_however_often_it_was_sent(cloud: StubCloud, dropforge: Tool) -> None:
    cloud.routes["/api/v1/events"] = log = Log()
    with dropforge.start("events", "tail", "--json") as process:
        until(lambda: len(log.asked) > 1)
        log.events += [event(1), event(2)]
        assert process.stdout is not None
        shown = [json.loads(process.stdout.readline())["id"] for _ in range(2)]
        log.events += [event(2) | {"published_at": event(3)["published_at"]}, event(4)]
        shown += [json.loads(process.stdout.readline())["id"]]
        process.terminate()
    assert shown == [event(number)["id"] for number in (1, 2, 4)]


def test_help_has_an_example(dropforge: Tool) -> None:
    ended = dropforge("events", "tail", "--help")
    assert (ended.code, "Example: dropforge events tail" in ended.out) == (0, True)
    assert "tail" in dropforge("events", "--help").out
