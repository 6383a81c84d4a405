"""Which datasets hold a run: a run that none holds any more is superseded, so that its job stops costing money.

The table's pointers are written before a dataset is saved as sealed, and taken away after: they may name too many,
never too few. What a dataset says of itself settles it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from chalicelib.decide import run_ends as decide
from chalicelib.errors import ConflictError
from chalicelib.flows import again
from chalicelib.model import DatasetId, DatasetState, Entry, Run, RunState
from chalicelib.names import run12
from chalicelib.ports import Clock, Records

_SETTLING = 300
"""Seconds in which the maker of a run has surely pointed its dataset at it, or died."""


class Handover:
    def __init__(self, *, records: Records, clock: Clock, run_ready: Callable[[str], None]) -> None:
        self.records = records
        self.clock = clock
        self.run_ready = run_ready

    def leave(self, run: str, dataset: DatasetId) -> None:
        """Take a dataset away from its old run, and stop that where no other dataset holds it."""
        self.records.unpoint(run, dataset)
        self._review(run)

    def keep(self, run: str) -> None:
        """Let a run go on, or be retried, though its dataset becomes another; told before the dataset says so."""
        found = self.records.run(run)
        if found and not found.kept and found.state is not RunState.REGISTERED:
            self.records.save(replace(found, kept=True), Entry(self.clock(), "kept beside the next run"))

    def join(self, run: str, dataset: DatasetId) -> None:
        """Point a dataset at a run that exists; one that was stopped, or is about to be, for want of one goes on."""
        self.records.point(run, dataset)
        self._take_up(run)
        self._review(run)

    def check(self, run: str) -> bool:
        """Say what a crash may have left unsaid: that all datasets of an open run sealed as something else.

        Tell whether the run may go on. One at which nobody points yet is still being made, perhaps by a worker that
        stood still and knows nothing of what has come since; one at which somebody points is reviewed first.
        """
        found = self.records.run(run)
        if found is None or (not found.kept and self._is_young(found) and not self.records.pointing(run)):
            return False
        self._review(run)
        return True

    def _is_young(self, run: Run) -> bool:
        return run.created_at + _SETTLING > self.clock()

    def _take_up(self, run: str) -> None:
        """Try a run again that ended only because no dataset had its files any more."""
        found = self.records.run(run)
        if found and decide.is_lost(found):
            move = decide.take_up(found, self.clock())
            self.records.save(move.run, move.entry)
            self.run_ready(run12(run))

    def _review(self, run: str) -> None:
        """Bring `superseded` in line with the pointers, until nothing moves it any more."""
        for tried in range(1, again.TRIES + 1):
            found = self.records.run(run)
            if found is None or found.state.final or found.superseded != self.held(found):
                return
            if not self._turn(found):
                again.pause(tried)
        raise ConflictError(f"The datasets of run {run12(run)} keep changing.", run=run)

    def _turn(self, run: Run) -> bool:
        """Turn a run's `superseded` round; False where somebody wrote it first."""
        now = self.clock()
        what = "superseded" if not run.superseded else "wanted again"
        try:
            self.records.save(replace(run, superseded=not run.superseded, due=now), Entry(now, what))
        except ConflictError:
            return False
        self.run_ready(run12(run.id))
        return True

    def held(self, run: Run) -> bool:
        """Tell whether a sealed dataset has its files, or it needs none to."""
        return run.kept or any(self._holds(dataset, run) for dataset in self.records.pointing(run.id))

    def _holds(self, dataset: DatasetId, run: Run) -> bool:
        """A dataset that is collecting may yet seal as what it was: only another seal lets go."""
        found = self.records.dataset(dataset)
        return found is not None and not (found.state is DatasetState.SEALED and found.run != run.id)
