"""Two things go wrong in one story: a fixed draw of pairs."""

from __future__ import annotations

from random import Random

import pytest

from tests.proof.catalogue import ALL
from tests.proof.conftest import Tally
from tests.proof.faults import SINGLE
from tests.proof.levels import LEVEL
from tests.proof.prove import calls_of, play
from tests.proof.stories import Story

SHARDS = 4
HEALING = 200
"""Calls after the last of the undisturbed story among which the second fault may lie: those that heal the first."""


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("story", ALL, ids=lambda story: story.name)
def test_a_story_in_which_two_calls_go_wrong_ends_as_it_should(story: Story, shard: int, tally: Tally) -> None:
    random, last = Random(f"{story.name} {shard}"), len(calls_of(story))
    for _ in range(LEVEL.pairs // SHARDS):
        first = random.randint(1, last)
        second = random.randint(first + 1, last + HEALING)
        one, two = random.choice(sorted(SINGLE)), random.choice(sorted(SINGLE))
        found = play(story, {first: SINGLE[one], second: SINGLE[two]})
        tally.add("pairs of faults", f"{story.name}, call {first} {one}, call {second} {two}", found)
