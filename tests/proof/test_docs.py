"""docs/reliability.md tells the promises, and the bugs with what caught them, as they are in the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.proof.conftest import KINDS
from tests.proof.levels import LEVELS
from tests.proof.planted import PLANTED
from tests.proof.truth import INVARIANTS

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"


def promises() -> str:
    rows = "".join(f"| {name} | {what} |\n" for name, what in INVARIANTS.items())
    return f"| name | what holds |\n|---|---|\n{rows}"


def planted() -> str:
    rows = "".join(f"| {bug.name} | {bug.when} | {bug.caught_by} |\n" for bug in PLANTED)
    return f"| bug | what has to happen | caught by |\n|---|---|---|\n{rows}"


def part(name: str) -> str:
    text = PAGE.read_text(encoding="utf-8")
    return text.split(f"<!-- {name} -->\n")[1].split(f"<!-- /{name} -->")[0]


def test_the_page_tells_each_promise() -> None:
    assert part("invariants") == promises()


def test_the_page_tells_each_planted_bug_and_what_caught_it() -> None:
    assert part("planted") == planted()


def counted() -> list[tuple[str, dict[str, int]]]:
    """Read each block of counts, as the suite prints it: the level, and how much was tried of each kind."""
    blocks = part("counts").replace("```", "").split("proof (")[1:]
    return [(level, _counts(lines)) for level, lines in (block.strip().split(")\n", 1) for block in blocks)]


def _counts(lines: str) -> dict[str, int]:
    parted = [line.rsplit(maxsplit=1) for line in lines.splitlines()]
    return {kind: int(count.replace(",", "")) for kind, count in parted}


def test_the_page_tells_the_counts_of_one_level_or_more_each_once() -> None:
    levels = [level for level, _ in counted()]
    assert levels
    assert set(levels) <= set(LEVELS)
    assert len(levels) == len(set(levels))


@pytest.mark.parametrize(("level", "counts"), counted())
def test_the_page_tells_a_count_of_each_kind_and_no_violation(level: str, counts: dict[str, int]) -> None:
    assert [*counts] == [*KINDS, "planted bugs caught"]
    untried = set() if LEVELS[level].pairs else {"pairs of faults"}
    assert {kind for kind, count in counts.items() if count == 0} == {"violations"} | untried
    assert counts["planted bugs caught"] == len(PLANTED)
