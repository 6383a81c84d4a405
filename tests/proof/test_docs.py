"""docs/reliability.md tells the promises, and the bugs with what caught them, as they are in the code."""

from __future__ import annotations

from pathlib import Path

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


def test_the_page_tells_a_count_of_each_kind_and_no_violation() -> None:
    lines = [line.rsplit(maxsplit=1) for line in part("counts").splitlines() if line and line[-1].isdigit()]
    told = {kind: int(count.replace(",", "")) for kind, count in lines}
    assert [*told] == [*KINDS, "planted bugs caught"]
    assert {kind for kind, count in told.items() if count == 0} == {"violations"}
    assert told["planted bugs caught"] == len(PLANTED)


def test_the_page_names_the_level_of_its_counts() -> None:
    heads = [line for line in part("counts").splitlines() if line.startswith("proof")]
    assert heads in [[f"proof ({level})"] for level in LEVELS]
