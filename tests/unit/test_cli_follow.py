"""Following shows the whole way, also where the follower came late."""

from __future__ import annotations

from typing import Any, cast

import pytest

from dropforge.cli.api import Api
from dropforge.cli.follow import Follower, Measured, Progressed, Said, StageReached, read_line


class Told:
    """An operators' door that knows one dataset, sealed already, and its run."""

    def find(self, *path: str) -> dict[str, Any]:
        assert path[:2] == ("v1", "datasets")
        return {"state": "sealed", "run": "0123456789ab"}

    def get(self, *_path: str) -> dict[str, Any]:
        return {"state": "training", "stage": "training", "timeline": [], "candidate": None}


def test_a_dataset_that_sealed_before_anybody_looked_is_shown_as_settling_first() -> None:
    follower = Follower(cast("Api", Told()), dataset="digits/first", pause=0)
    changes = follower.changes(seconds=60)
    stages = [each.stage for _, each in zip(range(2), changes, strict=False) if isinstance(each, StageReached)]
    assert stages == ["settling", "training"]


class Again:
    """A run that was live, and is on its way again because a person wants it back."""

    def get(self, *_path: str) -> dict[str, Any]:
        told = ("training started", "training completed", "registered", "release: live")
        timeline = [{"what": what} for what in told]
        return {"state": "registered", "stage": "pending", "timeline": timeline, "candidate": None}


def test_a_run_that_was_live_once_and_is_on_its_way_again_is_followed_on() -> None:
    follower = Follower(cast("Api", Again()), run="0123456789ab", pause=0)
    changes = follower.changes(seconds=60)
    shown = [each.stage for _, each in zip(range(7), changes, strict=False) if isinstance(each, StageReached)]
    assert shown == ["training", "evaluating", "registered", "live", "pending"]
    assert (follower.stage, follower.ended) == ("pending", False)


@pytest.mark.parametrize(
    "text",
    [
        "dropforge.metric loss=0.9,",
        "dropforge.metric loss=n/a",
        "dropforge.metric loss=1.2.3",
        "dropforge.progress=1.2.3",
        "dropforge.progress=.",
        "dropforge.progress=0.5half",
        "dropforge.progress=",
    ],
)
def test_a_line_with_no_number_where_one_belongs_is_a_line(text: str) -> None:
    assert read_line({"text": text}) == Said(text)


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("dropforge.progress=0.5 half", Progressed(0.5, "half")),
        ("dropforge.progress=1", Progressed(1.0)),
        ("dropforge.metric loss=-1.5e-3", Measured("loss", -0.0015)),
        ("dropforge.metric loss=.5", Measured("loss", 0.5)),
    ],
)
def test_a_line_of_progress_or_of_a_metric_is_read(text: str, change: Progressed | Measured) -> None:
    assert read_line({"text": text}) == change
