"""Counts what is tried, over all processes, and says it at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from tests.proof import levels

KINDS = ("crash points", "pairs of faults", "schedules", "stalled workers", "sequences", "violations")


@dataclass(slots=True)
class Tally:
    counts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def add(self, kind: str, about: str, found: list[str]) -> None:
        """Count one attempt, and what it found broken."""
        self.counts[kind] += 1
        self.violations += [f"{about}: {told}" for told in found]


@pytest.fixture
def tally(record_property: Callable[[str, object], None]) -> Iterator[Tally]:
    made = Tally()
    yield made
    for kind, count in (made.counts + Counter({"violations": len(made.violations)})).items():
        record_property(kind, count)
    assert not made.violations, "\n".join(made.violations[:20])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [it for each in terminalreporter.stats.values() for it in each if isinstance(it, pytest.TestReport)]
    counted: Counter[str] = Counter()
    for report in reports:
        if report.when == "teardown":
            counted.update({kind: count for kind, count in report.user_properties if kind in KINDS})
    planted = sum(
        report.when == "call" and report.passed and "test_a_planted_bug" in report.nodeid for report in reports
    )
    if not counted and not planted:
        return
    terminalreporter.section(f"proof ({levels.NAME})")
    for kind in KINDS:
        terminalreporter.line(f"{kind:<20}{counted[kind]:>9,}")
    terminalreporter.line(f"{'planted bugs caught':<20}{planted:>9,}")
