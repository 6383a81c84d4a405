"""Remembers a step of a release: on its own timeline, on that of the run it is about, and in the bucket's status."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.decide.stage import stage_of, waiting_of
from chalicelib.flows.report import Report
from chalicelib.model import Entry, Release, Run, Target
from chalicelib.names import run12
from chalicelib.ports import Records

_NEWEST = 20
"""Runs of a pipeline whose status is written again when its release comes to rest."""


class Ledger:
    def __init__(self, *, records: Records, report: Report) -> None:
        self.records = records
        self.report = report

    def record(self, before: Release, after: Release, entry: Entry, about: Target | None = None) -> Release:
        """Save a release with a line on its timeline; tell every run whose stage it changes."""
        saved = self.records.save(after, entry)
        if about is not None:
            self.note(about, entry)
        for run in sorted(_named(before) | _named(saved)):
            self._tell(run, before, saved)
        return saved

    def note(self, target: Target, entry: Entry) -> None:
        """Put a line on the timeline of a target's run."""
        self.records.note(f"run:{run12(target.run)}", replace(entry, what=f"release: {entry.what}"))

    def report_again(self, *targets: Target | None) -> None:
        """Rewrite the status of these targets' runs: what a crash kept from being told is told now."""
        for name in sorted({target.run for target in targets if target is not None}):
            run = self.records.run(name)
            if run is not None:
                self.report.run(run)

    def report_newest(self, release: Release) -> None:
        """Rewrite the status of the newest runs that this release does not name: what is live tells theirs, too."""
        for run in self.records.runs(pipeline=release.pipeline, limit=_NEWEST).items:
            if run.state.final and run.id not in _named(release):
                self.report.run(run)

    def _tell(self, name: str, before: Release, after: Release) -> None:
        run = self.records.run(name)
        if run is not None and _told(run, before) != _told(run, after):
            self.report.run(run)


def _told(run: Run, release: Release) -> tuple[str, str | None]:
    return stage_of(run, release), waiting_of(run, release)


def _named(release: Release) -> set[str]:
    targets = (release.desired, release.live, release.previous, release.pending, release.retired)
    return {target.run for target in targets if target is not None}
