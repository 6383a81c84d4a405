"""The dataset machine: collecting → sealed | refused, and collecting again when more arrives.

Events only say which dataset to look at; what lies in the bucket decides. The acts come before the record that tells of
them, so dying anywhere leaves the dataset collecting, and its next wake-up or the reconcile does the rest.

A second listing right before the freezing would add nothing: an upload during the listing brings news of its own, which
meets the save here as a conflict, or opens the dataset again; and what a job read is compared once more after the job.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol, assert_never

from chalicelib.decide import dataset as decide
from chalicelib.decide import sources
from chalicelib.decide.keys import Refusal, folder
from chalicelib.decide.layout import Survey
from chalicelib.errors import ConflictError, DropforgeError, RefusedError
from chalicelib.events import UploadSeen
from chalicelib.flows import listing, sealing
from chalicelib.flows.again import until_undisturbed
from chalicelib.flows.arrivals import Arrival, Arrivals, by_dataset, newest
from chalicelib.flows.seal import Seals
from chalicelib.flows.sight import Sight, trigger_of
from chalicelib.model import Dataset, DatasetId, DatasetState, Entry
from chalicelib.pipeline import Version, Versions
from chalicelib.ports import Bucket, Clock, Records, Timer
from chalicelib.settings import Settings

_PAGE = 50
_OPEN = 500
"""Open datasets found in one look; their keys fit into one answer of DynamoDB, which ends at 1 MB."""
_ALL_DUE = 2 * decide.DAY
"""No open dataset is due later: none waits longer than a day before it is looked at."""
_WAKES_A_SECOND = 20
_LOOKS = 2


class Reports(Protocol):
    def dataset(self, dataset: Dataset) -> None: ...


class Datasets:
    def __init__(
        self,
        *,
        bucket: Bucket,
        records: Records,
        timer: Timer,
        clock: Clock,
        settings: Settings,
        versions: Versions,
        report: Reports,
        run_ready: Callable[[str], None],
    ) -> None:
        self.bucket = bucket
        self.records = records
        self.timer = timer
        self.clock = clock
        self.sight = Sight(bucket=bucket, records=records, versions=versions)
        self.arrivals = Arrivals(bucket=bucket, records=records)
        self.report = report
        self.seals = Seals(
            bucket=bucket,
            records=records,
            clock=clock,
            settings=settings,
            tell=report.dataset,
            run_ready=run_ready,
        )

    def uploaded(self, uploads: Sequence[UploadSeen]) -> tuple[str, ...]:
        """Note a batch of arrivals, one save for each dataset; gives the ids of the messages that must come again."""
        groups = by_dataset(uploads).items()
        return tuple(
            upload.message_id
            for dataset, arrivals in groups
            if not self._noted(dataset, arrivals)
            for _, upload in arrivals
        )

    def note(self, dataset: DatasetId, arrivals: Sequence[Arrival]) -> None:
        """Note what arrived of one dataset."""
        until_undisturbed(lambda retold: self._note(dataset, arrivals, retold=retold))

    def advance(self, dataset: DatasetId) -> None:
        """Look at a dataset, and do what its time has come for; a little later where files keep arriving under it.

        A listing takes longer than the noting of a batch: looking again at once would be disturbed again, and a failed
        wake-up would come again after minutes, while those who note what arrives count on it.
        """
        try:
            until_undisturbed(lambda retold: self._advance(dataset, retold=retold), _LOOKS)
        except ConflictError:
            self._look_later(dataset)

    def pipeline_accepted(self, name: str) -> None:
        """Wake the datasets that were there first, a few a second."""
        for number, dataset in enumerate(self._collecting(name), 1):
            self._wake(dataset, number // _WAKES_A_SECOND)

    def check_run(self, run: str) -> bool:
        """Stop a run that no dataset holds any more, where a crash left that unsaid; tell whether it may go on."""
        return self.seals.handover.check(run)

    def _look_later(self, dataset: DatasetId) -> None:
        seen = self.records.dataset(dataset)
        if seen is not None:
            self._wake(dataset, decide.disturbed(seen, self.clock()))

    def _collecting(self, pipeline: str) -> Iterator[DatasetId]:
        """Find a pipeline's open datasets among all that are open: its own list grows with its history.

        That is read only where more are open than one look takes.
        """
        due = self.records.due("dataset", self.clock() + _ALL_DUE, limit=_OPEN)
        if len(due) < _OPEN:
            head = f"dataset:{pipeline}/"
            yield from (DatasetId(pipeline, subject.removeprefix(head)) for subject in due if subject.startswith(head))
            return
        after: str | None = None
        while True:
            page = self.records.datasets(pipeline=pipeline, state=DatasetState.COLLECTING, after=after, limit=_PAGE)
            yield from (dataset.id for dataset in page.items)
            after = page.next
            if after is None:
                return

    def _noted(self, dataset: DatasetId, arrivals: Sequence[Arrival]) -> bool:
        try:
            self.note(dataset, arrivals)
        except DropforgeError:
            return False
        return True

    def _note(self, dataset: DatasetId, arrivals: Sequence[Arrival], *, retold: bool) -> None:
        seen = self.records.dataset(dataset)
        news = self.arrivals.news(seen, arrivals)
        step = (
            decide.intake(seen, news, self.sight.trigger(dataset.pipeline), self.clock()) if news else decide.Ignore()
        )
        base = seen or Dataset(dataset, first_seen=self.clock(), last_seen=newest(arrivals))
        self._act(base, step, retold=retold)

    def _advance(self, dataset: DatasetId, *, retold: bool) -> None:
        seen = self.records.dataset(dataset)
        if seen is None:
            return
        if seen.state is not DatasetState.COLLECTING:
            self._close(seen, retold=retold)
            return
        version = self.sight.version(dataset.pipeline)
        if version is None:
            self._await_pipeline(seen, retold=retold)
            return
        step = self._judge(seen, version)
        if isinstance(step, decide.Seal):
            self._seal(seen, step.survey, version)
        else:
            self._act(seen, step, retold=retold)

    def _judge(self, seen: Dataset, version: Version) -> decide.Wait | decide.Refuse | decide.GoOn | decide.Seal:
        """Gather only what the next question needs: time first, then open uploads, then the listing."""
        now, trigger, ready = self.clock(), trigger_of(version), self.sight.ready(seen)
        step = decide.look(seen, trigger, ready, now)
        if not isinstance(step, decide.List):
            return step
        if self.bucket.open_uploads(folder(seen.id), since=now - decide.DAY):
            return decide.open_upload(seen, now)
        try:
            found = listing.look(self.bucket, seen, sealing.sources_of(self.bucket, seen), self.clock)
        except RefusedError as error:  # a bucket of somebody else's
            return decide.Refuse(Refusal(error.message, ""))
        return decide.weigh(seen, found, trigger, ready, now)

    def _seal(self, seen: Dataset, found: Survey, version: Version) -> None:
        resolved = self.seals.resolve(seen, found, version)
        if isinstance(resolved, Refusal):
            self._refuse(seen, decide.Refuse(resolved, found))
        else:
            self.seals.seal(seen, found, resolved)

    def _act(
        self,
        seen: Dataset,
        step: decide.Ignore | decide.Note | decide.Wait | decide.Refuse | decide.GoOn,
        *,
        retold: bool,
    ) -> None:
        match step:
            case decide.Ignore():
                if retold:
                    self.report.dataset(seen)
            case decide.Note():
                self._remember(seen, step, retold=retold)
            case decide.Wait():
                self._remember(seen, decide.waiting(seen, step, self.clock()), retold=retold)
            case decide.GoOn():
                self._remember(seen, decide.going_on(seen, step, self.clock()), retold=retold)
            case decide.Refuse():
                self._refuse(seen, step)
            case _:
                assert_never(step)

    def _remember(self, seen: Dataset, note: decide.Note, *, retold: bool) -> None:
        """Save before waking: a wake-up that overtook the record would find nothing to look at, and be used up."""
        noted = note.dataset
        if retold or note.opened or noted.waiting != seen.waiting:
            self.report.dataset(noted)
        if noted != seen:
            self.records.save(noted, *([Entry(self.clock(), "collecting")] if note.opened else []))
        if note.wake is not None:
            self._wake(noted.id, note.wake - self.clock())

    def _refuse(self, seen: Dataset, step: decide.Refuse) -> None:
        found = step.survey
        refused = replace(
            seen,
            state=DatasetState.REFUSED,
            reason=step.refusal.reason,
            todo=sources.todo(seen) or step.refusal.todo,
            waiting=None,
            timer=decide.pending(seen.timer, self.clock()),
            last_seen=max(seen.last_seen, found.newest if found else 0),
            digest=found.digest if found and not found.overflow else seen.digest,
            due=None,
            listing=None,
            asked=None,
        )
        self.report.dataset(refused)
        self.records.save(refused, Entry(self.clock(), "refused"))

    def _close(self, seen: Dataset, *, retold: bool) -> None:
        """Nothing is open here any more; a wake-up that was under way ends in nothing."""
        if retold:
            self.report.dataset(seen)
        if seen.due is not None:
            self.records.save(replace(seen, due=None))

    def _await_pipeline(self, seen: Dataset, *, retold: bool) -> None:
        why = self.sight.why_missing(seen.id.pipeline)
        self._act(seen, decide.no_pipeline(why, self.clock()), retold=retold)

    def _wake(self, dataset: DatasetId, seconds: float) -> None:
        self.timer.wake(f"dataset:{dataset}", seconds=max(0, min(math.ceil(seconds), decide.WAKE_LIMIT)))
