"""What the status says of a model that another overtook, whatever becomes of that other one."""

from __future__ import annotations

from tests.proof.prove import play
from tests.proof.stories import BETTER, FIRST, End, Story, drop
from tests.proof.world import Deed

OVERTAKEN = Story(
    "a model that waits for its turn is overtaken by one that does not come up",
    (
        Deed(0, drop("two", BETTER)),
        Deed(60, drop("three", "accuracy=0.98")),
        Deed(75, drop("four", "accuracy=0.99", "up=fails")),
    ),
    End(
        {"one": "replaced", "two": "live", "three": "registered", "four": "release-failed"},
        jobs=4,
        live="two",
        failed={"four": "did not come up"},
    ),
    after=FIRST,
)


def test_a_model_that_was_overtaken_is_told_so_no_more_once_the_other_has_failed() -> None:
    assert play(OVERTAKEN) == []
