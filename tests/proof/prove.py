"""One story under one disturbance: played, left to heal, and judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache

from tests.proof.cloud.wire import Call, Disturbance
from tests.proof.stories import Story, prepared
from tests.proof.truth import broken
from tests.proof.world import World, heard


@cache
def calls_of(story: Story) -> list[Call]:
    """List the outgoing calls of an undisturbed story, numbered as the disturbed one makes them."""
    world = prepared(story)
    world.account.wire.log = []
    with heard(world):
        world.run()
    return world.account.wire.log


def play(
    story: Story, planned: Mapping[int, Disturbance] | None = None, arrange: Callable[[World], None] | None = None
) -> list[str]:
    """Play a story with what goes wrong at these calls (1: the first); give the invariants that were broken."""
    world = prepared(story)
    wire = world.account.wire
    wire.planned = {wire.made + number: disturbance for number, disturbance in (planned or {}).items()}
    if arrange is not None:
        arrange(world)
    with heard(world):
        world.run()
        lenient = is_doubtful(wire.met) or (story.races and any(world.skews))
        answered = not planned
        return broken(world, story.end, lenient=lenient, calm=answered and arrange is None, answered=answered)


def is_doubtful(met: Iterable[Call]) -> bool:
    """Tell whether a smoke test was disturbed: a model that does not answer in time has failed, and rightly so."""
    return any(call.method == "invoke_endpoint" for call in met)
