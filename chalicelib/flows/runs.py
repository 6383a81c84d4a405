"""The run machine: from a sealed dataset to a registered model, or to the reason why not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from typing import assert_never

from chalicelib.decide import evaluation, pauses
from chalicelib.decide import run as decide
from chalicelib.decide.serving import metrics_document, metrics_key
from chalicelib.decide.training import plan_training
from chalicelib.errors import (
    AlreadyExistsError,
    NotFoundError,
    RefusedError,
    ThrottledError,
    UnavailableError,
)
from chalicelib.events import JobChanged
from chalicelib.flows.again import step_by_step
from chalicelib.flows.report import Report
from chalicelib.flows.setups import Setups
from chalicelib.model import Candidate, Entry, Pause, Run, RunState
from chalicelib.names import run12
from chalicelib.pipeline import Versions
from chalicelib.ports import Bucket, Clock, Jobs, Records, Registry, Timer, TrainingJob
from chalicelib.settings import Settings

STEPS = 20
"""Steps one call takes at most; a run needs six."""
_LOG_PAGES = 100
_CORRECT = "Correct what SageMaker or the stage refuses, push the pipeline, and drop the dataset again."

SealedChanges = Callable[[Bucket, str, str], tuple[str, ...]]
"""(bucket, pipeline, run) → the sealed keys that are not any more what was sealed."""


class Runs:
    """Level-triggered: each call looks at the run and its job as they are now and goes on from there."""

    def __init__(
        self,
        *,
        bucket: Bucket,
        records: Records,
        timer: Timer,
        clock: Clock,
        settings: Settings,
        versions: Versions,
        jobs: Jobs,
        registry: Registry,
        report: Report,
        propose: Callable[[Run], None],
        sealed_changes: SealedChanges,
    ) -> None:
        self.bucket = bucket
        self.records = records
        self.timer = timer
        self.clock = clock
        self.settings = settings
        self.jobs = jobs
        self.registry = registry
        self.report = report
        self.propose = propose
        self.sealed_changes = sealed_changes
        self.setups = Setups(records=records, versions=versions, registry=registry, settings=settings)

    def job_changed(self, changed: JobChanged) -> None:
        parts = self.settings.names.job_parts(changed.name)
        if parts is not None:
            self.advance(parts[1])

    def advance(self, run: str) -> None:
        """Take the run as far as it goes now. ConflictError where others kept changing it."""
        step_by_step(lambda: self._advance_once(run), steps=STEPS)

    def _advance_once(self, name: str) -> bool:
        """Take one step; tell whether another may follow at once."""
        run = self.records.run(name)
        if run is None:
            return False
        try:
            step = self._decide(run)
            return self._act(run, step)
        except (ThrottledError, UnavailableError) as error:
            self._record(decide.put_off(run, error.message, self.clock()))
            self.timer.wake(f"run:{run12(run.id)}", seconds=round(decide.LOOK_AGAIN))
            return False
        except (RefusedError, NotFoundError) as error:
            return self._record(decide.end(run, RunState.FAILED, self.clock(), error.message, _CORRECT))

    def _decide(self, run: Run) -> decide.Step:
        """Gather what the run's state asks for, and decide."""
        if run.state is RunState.PREPARING:
            job = self._plan(run)
            return decide.prepare(run, job, self.jobs.describe(job.name), self.clock())
        candidate = run.candidate
        if run.state.final or candidate is None:
            return decide.Rest()
        if run.state is RunState.TRAINING:
            return decide.train(run, candidate, self.jobs.describe(candidate.job), self.clock())
        return evaluation.evaluate(run, self._gather_evidence(run, candidate), self.clock())

    def _act(self, run: Run, step: decide.Step) -> bool:
        match step:
            case decide.Rest():
                return self._rest(run)
            case decide.Wait(seen):
                return self._wait(run, seen)
            case decide.StartTraining(job):
                return self._start(run, job)
            case decide.StopTraining(job, stopping):
                return self._stop(stopping, job)
            case decide.Register(labels, why):
                return self._register(run, labels, why)
            case decide.Move():
                return self._record(step)
            case _:
                assert_never(step)

    def _plan(self, run: Run) -> TrainingJob:
        trained = self.setups.trained(run)
        attempt = run.candidate.attempt if run.candidate else 1
        return plan_training(
            run,
            trained.resolved,
            name=self.settings.names.job(run.pipeline, run.id, 0, attempt),
            image=trained.image,
            bucket=self.settings.bucket,
            code_key=trained.version.code_key,
            region=self.settings.region,
        )

    def _start(self, run: Run, job: TrainingJob) -> bool:
        pause = self.records.paused(run.pipeline)
        if pause is not None:
            return self._hold(run, pause)
        try:
            self.jobs.start(job)
        except AlreadyExistsError:
            return True  # described next: it counts only with our digest
        return self._record(decide.begin(run, job, None, self.clock()))

    def _hold(self, run: Run, pause: Pause) -> bool:
        """Start nothing while it is paused; the timeline tells it once."""
        move = pauses.hold(run, pause, self.clock())
        self.report.run(self.records.save(move.run, *([] if pauses.is_told(run, pause) else [move.entry])))
        return False

    def _stop(self, stopping: Run, job: str) -> bool:
        """Remember that it was us before asking: a job that a person stopped stays stopped, this one may be wanted."""
        now = self.clock()
        entry = Entry(now, "asked to stop", {"job": job, "why": "superseded"})
        self._record(decide.Move(replace(stopping, due=now + decide.LOOK_AGAIN), entry))
        self.jobs.stop(job)
        return False

    def _register(self, run: Run, labels: tuple[str, ...], why: str) -> bool:
        """Register, and propose to the release before the run is final: a crash in between does both again.

        The release may go on at once: what it reads of the run, its labels and package, is remembered before.
        """
        candidate = run.candidate
        if candidate is None or candidate.model_uri is None:
            raise AssertionError("Only a completed job is registered.")
        request = self.setups.package(run, labels, why, candidate.model_uri)
        self.bucket.write(metrics_key(run.pipeline, run.id), metrics_document(candidate.metrics))
        package = self.registry.register(request)
        if (run.package, run.labels) != (package.arn, labels):
            run = self.records.save(replace(run, package=package.arn, labels=labels))
        self.propose(run)
        return self._record(evaluation.register(run, package.arn, labels, why, self.clock()))

    def _gather_evidence(self, run: Run, candidate: Candidate) -> evaluation.Evidence:
        version = self.setups.newest(run)
        release = self.records.release(run.pipeline)
        live = release.live if release else None
        return evaluation.Evidence(
            changed=self.sealed_changes(self.bucket, run.pipeline, run.id),
            model_found=self._finds_model(candidate.model_uri),
            told_labels=evaluation.labels_in(self._log(candidate.job)),
            set_labels=version.pipeline.serve.labels,
            gate=version.pipeline.gate,
            champion=live.metrics if live is not None and live.run != run.id else None,
        )

    def _finds_model(self, uri: str | None) -> bool:
        head = f"s3://{self.settings.bucket}/"
        found = self.bucket.head(uri.removeprefix(head)) if uri and uri.startswith(head) else None
        return found is not None and found.size > 0

    def _log(self, job: str) -> Iterator[str]:
        return chain.from_iterable(self._log_pages(job))

    def _log_pages(self, job: str) -> Iterator[list[str]]:
        """Read to the end: there the token comes back unchanged. A page before it may be empty, too."""
        after: str | None = None
        for _ in range(_LOG_PAGES):
            page = self.jobs.log(job, after=after)
            yield [line.text for line in page.items]
            if page.next in {None, after}:
                return
            after = page.next

    def _wait(self, run: Run, seen: Run) -> bool:
        """Remember what changed; a run that did not change is written only to move its due time on."""
        now = self.clock()
        if seen != run or run.due is None or run.due <= now:
            self.records.save(replace(seen, due=now + decide.LOOK_AGAIN))
        return False

    def _rest(self, run: Run) -> bool:
        if run.due is not None:
            self.report.run(run)
            self.records.save(replace(run, due=None))
        return False

    def _record(self, move: decide.Move) -> bool:
        saved = self.records.save(move.run, move.entry)
        self.report.run(saved)
        return True
