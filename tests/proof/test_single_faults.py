"""Each outgoing call of each story goes wrong in each way, once: the calls are found by counting them."""

from __future__ import annotations

import pytest

from tests.proof.catalogue import ALL
from tests.proof.conftest import Tally
from tests.proof.faults import SINGLE
from tests.proof.levels import LEVEL
from tests.proof.prove import calls_of, play
from tests.proof.stories import Story

SHARDS = 8
"""The points are dealt out to so many tests, so that they run side by side."""


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("story", ALL, ids=lambda story: story.name)
def test_a_story_in_which_one_call_goes_wrong_ends_as_it_should(story: Story, shard: int, tally: Tally) -> None:
    points = [(call, kind) for call in calls_of(story) for kind in SINGLE]
    for call, kind in points[:: LEVEL.every][shard::SHARDS]:
        found = play(story, {call.number: SINGLE[kind]})
        tally.add("crash points", f"{story.name}, call {call.number}, {call} {kind}", found)


@pytest.mark.parametrize("story", ALL, ids=lambda story: story.name)
def test_a_story_in_which_nothing_goes_wrong_ends_as_it_should(story: Story) -> None:
    assert play(story) == []
