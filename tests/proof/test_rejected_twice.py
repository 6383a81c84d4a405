"""A model that its gate rejects, is trained again and rejected again: two ends in its timeline, and rightly so."""

from __future__ import annotations

from tests.proof.orders import retry, when
from tests.proof.prove import play
from tests.proof.stories import FIRST, End, Story, drop
from tests.proof.world import Deed

REJECTED_TWICE = Story(
    "a person retries what the gate rejects",
    (
        Deed(0, drop("two", "accuracy=0.5")),
        Deed(5, when('"state":"rejected"', retry("two"))),
    ),
    End({"one": "live", "two": "rejected"}, jobs=3, live="one"),
    after=FIRST,
)


def test_a_model_that_is_retried_and_rejected_again_is_no_lie() -> None:
    assert play(REJECTED_TWICE) == []
