"""`dropforge simulate`: what it asks for, and how it tells that nothing was done."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.clitool import Tool
from tests.unit.stubcloud import StubCloud, problem, running

AT = "2027-01-15T08:02:30.000+00:00"
ROUTE = "/api/v1/simulations"
JOB = "df-test-digits-0123456789ab-0-a1"
ANSWER: dict[str, Any] = {
    "of": "dataset:digits/friday",
    "complete": True,
    "ended": None,
    "steps": [{"at": AT, "about": "dataset:digits/friday", "says": "sealed as run 0123456789ab"}],
    "calls": [
        {
            "at": AT,
            "port": "jobs",
            "method": "start",
            "call": "CreateTrainingJob",
            "what": f"start the training job {JOB} on ml.m5.large: training (2 objects)",
            "names": [JOB],
            "costs": True,
        }
    ],
    "timeline": [{"at": AT, "subject": "run:0123456789ab", "what": "training started", "facts": {"attempt": 1}}],
    "states": [{"subject": "run:0123456789ab", "before": None, "after": "training"}],
    "events": [],
    "names": {"training_jobs": [JOB]},
}


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[StubCloud]:
    with running(tmp_path / "home") as cloud:
        cloud.routes[ROUTE] = 200, ANSWER
        yield cloud


@pytest.fixture
def dropforge(cloud: StubCloud) -> Tool:
    return Tool(cloud)


def test_the_first_line_says_that_nothing_was_done(dropforge: Tool) -> None:
    ended = dropforge("simulate", "digits/friday")
    assert ended.code == 0, ended.err
    first, step, *rest = ended.out.splitlines()
    assert first == "Nothing was done: this is what would happen as things stand now, if nothing else came."
    assert step.endswith("  dataset:digits/friday  sealed as run 0123456789ab")
    assert rest == [
        "It would call:",
        f"  CreateTrainingJob: start the training job {JOB} on ml.m5.large: training (2 objects) (costs money)",
        "Timelines would say:",
        "  run:0123456789ab  training started (attempt 1)",
        "States would change:",
        "  run:0123456789ab  new → training",
        "It would name:",
        f"  training_jobs: {JOB}",
    ]


def test_where_it_ends_early_it_says_why(cloud: StubCloud, dropforge: Tool) -> None:
    cloud.routes[ROUTE] = 200, ANSWER | {"complete": False, "ended": "Too much to list."}
    assert dropforge("simulate", "digits/friday").out.endswith("The simulation ends here: Too much to list.\n")


def test_the_answer_as_json(dropforge: Tool) -> None:
    assert json.loads(dropforge("simulate", "digits/friday", "--json").out) == ANSWER


@pytest.mark.parametrize(
    ("what", "fields"),
    [
        ("digits/friday", {"dataset": "digits/friday"}),
        ("0123456789ab", {"run": "0123456789ab"}),
        ("run:0123456789ab", {"run": "0123456789ab"}),
        ("release:digits", {"release": "digits"}),
        ("pipeline:digits", {"pipeline": "digits"}),
    ],
)
def test_what_is_meant_is_read_from_its_form(
    cloud: StubCloud, dropforge: Tool, what: str, fields: dict[str, str]
) -> None:
    assert dropforge("simulate", what).code == 0
    assert cloud.posted == [(ROUTE, fields)]


def test_a_file_is_an_event(cloud: StubCloud, dropforge: Tool, tmp_path: Path) -> None:
    event = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
    (tmp_path / "tick.json").write_text(json.dumps(event))
    assert dropforge("simulate", str(tmp_path / "tick.json")).code == 0
    assert cloud.posted == [(ROUTE, {"event": event})]


@pytest.mark.parametrize(
    ("text", "said"), [("{", "is not JSON"), ("[]", "holds no event"), (" " * 600_000, "is larger than any event")]
)
def test_a_file_that_holds_no_event_is_not_sent(
    cloud: StubCloud, dropforge: Tool, tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "event.json").write_text(text)
    ended = dropforge("simulate", str(tmp_path / "event.json"))
    assert (ended.code, said in ended.err, cloud.posted) == (2, True, [])


@pytest.mark.parametrize("what", ["friday", "no-such.json", "digits/no-such.json"])
def test_what_is_neither_a_file_nor_a_name_is_called_wrongly(cloud: StubCloud, dropforge: Tool, what: str) -> None:
    ended = dropforge("simulate", what)
    assert (ended.code, cloud.posted) == (2, [])
    assert f"{what} is no file, and names no PIPELINE/DATASET and no run" in ended.err


def test_what_is_not_there_is_said(cloud: StubCloud, dropforge: Tool) -> None:
    cloud.routes[ROUTE] = 404, problem(404, "not-found", 'There is no run "0123456789ab".')
    ended = dropforge("simulate", "0123456789ab")
    assert (ended.code, 'There is no run "0123456789ab"' in ended.err) == (2, True)
