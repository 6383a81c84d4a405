"""The pipeline machine: a folder settles, is read as a whole, and becomes a version, or a refusal that says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from chalicelib.decide import pipeline as decide
from chalicelib.decide.stage import under_way
from chalicelib.flows.again import until_undisturbed
from chalicelib.flows.folders import FolderChanged, Listing, list_folder, read_folder
from chalicelib.flows.report import Report
from chalicelib.flows.versions import Content, Versions
from chalicelib.model import Entry, PipelineRecord, Serving
from chalicelib.names import is_pipeline, no_pipeline, pipeline_status_key
from chalicelib.pipeline import Pipeline, PipelineRefused, Problem
from chalicelib.ports import Bucket, Clock, Records, Timer
from chalicelib.settings import Settings

_PROBLEM_LENGTH = 2000


class Pipelines:
    """`on_accepted` wakes the datasets that wait for the pipeline and updates its release; it may be called again."""

    def __init__(
        self,
        *,
        bucket: Bucket,
        records: Records,
        timer: Timer,
        clock: Clock,
        settings: Settings,
        versions: Versions,
        on_accepted: Callable[[str], None],
    ) -> None:
        self.bucket = bucket
        self.records = records
        self.timer = timer
        self.clock = clock
        self.settings = settings
        self.versions = versions
        self.on_accepted = on_accepted
        self.report = Report(bucket=bucket, records=records, clock=clock)

    def uploaded(self, name: str, at: float) -> None:
        """Note that something arrived under `pipelines/<name>/` at a time of the bucket's clock."""
        if is_pipeline(name):
            until_undisturbed(lambda _: self._note(name, at))
        elif name:
            self._refuse_name(name)

    def advance(self, name: str) -> None:
        """Do what is next for a pipeline, until nothing is, or it is to wait."""
        while until_undisturbed(lambda _: self._advance(name)):
            pass

    def _note(self, name: str, at: float) -> None:
        record = self.records.pipeline(name) or PipelineRecord(name)
        step = decide.note_upload(record, at, self.clock())
        self._act(step, before=record)

    def _advance(self, name: str) -> bool:
        record = self.records.pipeline(name)
        step = decide.next_step(record, self.clock())
        return self._act(step, before=record)

    def _act(self, step: decide.Step, before: PipelineRecord | None) -> bool:
        """Take a step; tell whether there may be another."""
        match step:
            case decide.Settle():
                self._settle(step, before)
                return False
            case decide.ReadFolder(record):
                return self._read(record)
            case decide.Announce(record, version):
                self.on_accepted(record.name)
                self.records.save(decide.announced(record), self._entry("announced", version=version))
                return False
            case decide.Rest():
                return False
            case _:
                assert_never(step)

    def _settle(self, step: decide.Settle, before: PipelineRecord | None) -> None:
        if step.wake is not None:
            self.timer.wake(f"pipeline:{step.record.name}", seconds=step.wake)
        if step.record != before:
            self.records.save(step.record)

    def _read(self, record: PipelineRecord) -> bool:
        listing = list_folder(self.bucket, record.name)
        if (step := decide.settle_on(record, listing.newest, self.clock())) is not None:
            self._settle(step, record)
            return False
        read = self._read_as_listed(listing)
        if read is None or list_folder(self.bucket, record.name) != listing:
            self._settle(decide.settle_again(record, self.clock()), record)
            return False
        if isinstance(read, PipelineRefused):
            self._refuse(record, listing, read)
        else:
            self._accept(record, listing, read)
        return True

    def _read_as_listed(self, listing: Listing) -> Content | PipelineRefused | None:
        """Read the folder; None if it is not as listed any more."""
        try:
            return read_folder(self.bucket, listing, self.settings.instance_types)
        except PipelineRefused as refusal:
            return refusal
        except FolderChanged:
            return None

    def _accept(self, record: PipelineRecord, listing: Listing, content: Content) -> None:
        now = self.clock()
        fresh = content.digest != record.version
        after = decide.accepted(record, content.digest, content.pipeline.title, listing.newest, now)
        if fresh:
            self.versions.freeze(record.name, content, now)
        self._ensure_serving(record.name, content.pipeline)
        self.report.pipeline(after)
        self.records.save(after, *([self._entry("accepted", version=content.digest)] if fresh else []))

    def _refuse(self, record: PipelineRecord, listing: Listing, refusal: PipelineRefused) -> None:
        problem = refusal.message
        if record.version is not None:
            problem = f"{problem[:_PROBLEM_LENGTH]} (version {record.version[:12]} stays in use)"
        after = decide.refused(record, problem[: _PROBLEM_LENGTH + 100], listing.newest, self.clock())
        self.report.pipeline(after, refusal.problems)
        self.records.save(after, self._entry("refused", problems=len(refusal.problems)))

    def _refuse_name(self, name: str) -> None:
        """Tell once; there is nothing to remember of a folder that can never be a pipeline."""
        if self.bucket.head(pipeline_status_key(name)) is None:
            message = no_pipeline(name)
            self.report.pipeline(PipelineRecord(name, problem=message), [Problem(None, "", message)])

    def _ensure_serving(self, name: str, pipeline: Pipeline) -> None:
        """Let clients find the model, live or not; there is none to find where nothing is deployed, nor has been.

        From the first release on the item is the release's own: what is live stays so when the file deploys no more.
        A worker that stalled before its write meets, perhaps, a model that has gone live: it leaves that alone, too.
        """
        seen = self.records.serving(name)
        if pipeline.deploy is None:
            if seen is not None and self._serves_nothing(name):
                self.records.withdraw(name)
            return
        serving = Serving(
            name,
            accept=pipeline.serve.accept,
            labels=pipeline.serve.labels,
            top_k=pipeline.serve.top_k,
            title=pipeline.title,
        )
        if seen is None or (seen != serving and self.records.release(name) is None):
            self.records.offer(serving)

    def _serves_nothing(self, name: str) -> bool:
        release = self.records.release(name)
        return release is None or (release.live is None and not under_way(release))

    def _entry(self, what: str, **facts: str | int) -> Entry:
        return Entry(self.clock(), what, facts)
