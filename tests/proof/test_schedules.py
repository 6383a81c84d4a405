"""Events twice, late, in any order or never; two workers at once, stalled ones, clocks that are wrong."""

from __future__ import annotations

import pytest

from tests.proof.catalogue import ALL, DRAWN
from tests.proof.conftest import Tally
from tests.proof.levels import LEVEL
from tests.proof.prove import calls_of, play
from tests.proof.schedules import EVENTLESS, FAST_AND_SLOW, FIXED, Arrange, asleep, at_once, drawn, two_workers
from tests.proof.stories import Story

SHARDS = 4
SECONDS = (5.0, 240.0, 840.0)
"""How long a worker stands still: shorter than any step, longer than many, and nearly as long as a function may run."""


def _without_events(story: Story, arranged: dict[str, Arrange]) -> dict[str, Arrange]:
    return {name: it for name, it in arranged.items() if not (story.needs_events and name in EVENTLESS)}


@pytest.mark.parametrize("story", ALL, ids=lambda story: story.name)
def test_a_story_ends_as_it_should_however_its_events_come_and_whatever_clocks_say(story: Story, tally: Tally) -> None:
    for name, arrange in _without_events(story, FIXED).items():
        tally.add("schedules", f"{story.name}, {name}", play(story, arrange=arrange))


@pytest.mark.parametrize("story", ALL, ids=lambda story: story.name)
def test_two_workers_that_take_turns_at_every_call_do_no_more_than_one(story: Story, tally: Tally) -> None:
    for seed in range(LEVEL.seeds):
        tally.add("schedules", f"{story.name}, two workers, seed {seed}", play(story, arrange=two_workers(seed)))


@pytest.mark.parametrize("story", DRAWN, ids=lambda story: story.name)
def test_a_story_ends_as_it_should_under_schedules_that_are_drawn(story: Story, tally: Tally) -> None:
    for seed in range(LEVEL.seeds):
        tally.add("schedules", f"{story.name}, drawn by {seed}", play(story, arrange=drawn(seed)))


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("story", ALL, ids=lambda story: story.name)
def test_a_worker_that_stands_still_before_any_call_and_wakes_up_later_does_no_harm(
    story: Story, shard: int, tally: Tally
) -> None:
    points = [(call, seconds) for call in calls_of(story) for seconds in SECONDS]
    for call, seconds in points[:: LEVEL.stalls][shard::SHARDS]:
        found = play(story, arrange=asleep(call.number, seconds))
        tally.add("stalled workers", f"{story.name}, {seconds:g} seconds before call {call.number}, {call}", found)
        if seconds == SECONDS[-1]:
            found = play(story, arrange=at_once(FAST_AND_SLOW, asleep(call.number, seconds)))
            tally.add("stalled workers", f"{story.name}, clocks off, before call {call.number}, {call}", found)
