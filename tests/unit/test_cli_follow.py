"""Following shows the whole way, also where the follower came late."""

from __future__ import annotations

from typing import Any, cast

from dropforge.cli.api import Api
from dropforge.cli.follow import Follower, StageReached


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
