"""It can fail: what is planted in the real code is found, and named."""

from __future__ import annotations

import pytest

from tests.proof.planted import PLANTED, Bug
from tests.proof.prove import play
from tests.proof.stories import prepared

NAMES = [bug.name for bug in PLANTED]


@pytest.mark.parametrize("bug", PLANTED, ids=NAMES)
def test_a_planted_bug_is_caught_by_its_invariant(bug: Bug, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared(bug.story)  # what goes before is as it should be
    bug.plant(monkeypatch)
    found = [told for arrange in bug.arranged for told in play(bug.story, arrange=arrange)]
    assert bug.caught_by in {told.split(":")[0] for told in found}, found


@pytest.mark.parametrize("bug", PLANTED, ids=NAMES)
def test_where_no_bug_is_planted_none_is_caught(bug: Bug) -> None:
    assert [play(bug.story, arrange=arrange) for arrange in bug.arranged] == [[]] * len(bug.arranged)


def test_a_dozen_bugs_are_planted_each_once() -> None:
    assert len(set(NAMES)) == len(NAMES) >= 12
