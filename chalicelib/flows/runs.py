"""The run machine: from a sealed dataset to a registered model, or to the reason why not."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, assert_never

from aws_lambda_powertools import Logger

from chalicelib.decide import approval, evaluation, pauses
from chalicelib.decide import run as decide
from chalicelib.decide import run_ends as ends
from chalicelib.decide import run_steps as steps
from chalicelib.decide.serving import metrics_document, metrics_key
from chalicelib.decide.training import plan_training
from chalicelib.errors import (
    AlreadyExistsError,
    ConflictError,
    DropforgeError,
    NotFoundError,
    QuotaError,
    RefusedError,
    ThrottledError,
    UnavailableError,
)
from chalicelib.events import JobChanged, PackageChanged
from chalicelib.flows.again import step_by_step
from chalicelib.flows.logs import Logs
from chalicelib.flows.report import Report
from chalicelib.flows.setups import Setups
from chalicelib.model import Candidate, Command, Comparison, Entry, Pause, Run, RunState
from chalicelib.names import run12
from chalicelib.pipeline import Versions
from chalicelib.ports import Bucket, Clock, Jobs, Records, Registry, Timer, TrainingJob
from chalicelib.settings import Settings

STEPS = 20
"""Steps one call takes at most; a run needs six."""
_CORRECT = "Correct what SageMaker or the stage refuses, push the pipeline, and drop the dataset again."
_LONGEST_WAKE = 900.0

log = Logger(service="dropforge", child=True)

Compare = Callable[[Bucket, Run, Clock], Comparison]
"""Compares the sealed files of a run with what lies there, as far as one call takes."""


class Propose(Protocol):
    def __call__(self, run: Run, wanted: Command | None = None) -> None:
        """Let a registered run ask for its release; `wanted` where a person asks for it."""


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
        propose: Propose,
        compare: Compare,
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
        self.compare = compare
        self.setups = Setups(records=records, versions=versions, registry=registry, settings=settings)
        self.logs = Logs(jobs, bucket)

    def job_changed(self, changed: JobChanged) -> None:
        parts = self.settings.names.job_parts(changed.name)
        if parts is not None:
            self.advance(parts[1])
            self._stop_stray(parts[1], changed.name)

    def package_changed(self, changed: PackageChanged) -> None:
        ours = self.settings.names.package_pipeline(changed.arn) is not None
        package = self.registry.describe(changed.arn) if ours else None
        if package is not None:
            self.advance(package.run)

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
            self._record(ends.put_off(run, error.message, self.clock()))
            self.timer.wake(f"run:{run12(run.id)}", seconds=round(ends.LOOK_AGAIN))
            return False
        except (RefusedError, NotFoundError) as error:
            self._record(ends.refuse(run, error.message, self.clock(), _CORRECT))
            return not run.state.final

    def _decide(self, run: Run) -> steps.Step:
        """Gather what the run's state asks for, and decide."""
        if run.state is RunState.PREPARING:
            job = self._plan(run)
            return decide.prepare(run, job, self.jobs.describe(job.name), self.clock())
        if run.state.final or run.candidate is None:
            return self._look_back(run)
        if run.state is RunState.TRAINING:
            return self._follow(run, run.candidate)
        return decide.halt(run, self.clock()) or self._judge(run, run.candidate)

    def _follow(self, run: Run, candidate: Candidate) -> steps.Step:
        """Look at the job; where the run ends with it, its log is kept now. Else that is read when it is judged."""
        step = decide.train(run, candidate, self.jobs.describe(candidate.job), self.clock())
        if isinstance(step, steps.NoRoom) or (isinstance(step, steps.Move) and step.run.state.final):
            self._keep_log(run, candidate.job)
        return step

    def _keep_log(self, run: Run, job: str) -> None:
        try:
            self.logs.keep(run, job)
        except DropforgeError as error:  # a run that has ended says so, with or without our copy
            log.warning(
                "The training log was not kept",
                step="keep-log",
                outcome="failed",
                run=run12(run.id),
                pipeline=run.pipeline,
                reason=error.message,
            )

    def _judge(self, run: Run, candidate: Candidate) -> steps.Step:
        compared = self.compare(self.bucket, run, self.clock)
        if not compared.done:
            return steps.GoOn(replace(run, compared=compared))
        return evaluation.evaluate(run, self._gather_evidence(run, candidate, compared), self.clock())

    def _look_back(self, run: Run) -> steps.Step:
        """Look at what a run that has ended may still be about: a job that started late, a person's word."""
        now = self.clock()
        if decide.is_watched(run):
            return decide.watch(run, self.jobs.describe(self._job_name(run)), now)
        if run.package is not None and run.state in {RunState.REGISTERED, RunState.REJECTED}:
            return approval.follow(run, self.registry.describe(run.package), self.records.release(run.pipeline), now)
        return steps.Rest()

    def _stop_stray(self, name: str, job: str) -> None:
        """Stop a job of an attempt that is over: a worker that stood still for long may start one all the same."""
        run = self.records.run(name)
        if run is None or self.settings.names.job_attempt(job) >= ends.attempt_of(run):
            return
        seen = self.jobs.describe(job)
        if seen is not None and seen.status == "InProgress" and seen.request:
            why = f"attempt {ends.attempt_of(run)} has begun"
            self.records.note(f"run:{name}", Entry(self.clock(), "asked to stop", {"job": job, "why": why}))
            self.jobs.stop(job)

    def _act(self, run: Run, step: steps.Step) -> bool:
        match step:
            case steps.Rest() | steps.Wait() | steps.GoOn():
                self._leave(run, step)
                return False
            case steps.StartTraining(job):
                return self._start(run, job)
            case steps.StopTraining(job, stopping):
                return self._stop(stopping, job)
            case steps.NoRoom(seen, reason):
                return self._wait_for_room(seen, reason)
            case steps.Register() | steps.Decide() | steps.LetIn():
                return self._let_in(run, step)
            case steps.Move():
                return self._record(step)
            case _:
                assert_never(step)

    def _leave(self, run: Run, step: steps.Rest | steps.Wait | steps.GoOn) -> None:
        match step:
            case steps.Rest():
                self._rest(run)
            case steps.Wait(seen, until):
                self._wait(run, seen, until)
            case steps.GoOn(further):
                self.records.save(replace(further, due=self.clock() + ends.LOOK_AGAIN))
                self.timer.wake(f"run:{run12(run.id)}", seconds=0)
            case _:
                assert_never(step)

    def _let_in(self, run: Run, step: steps.Register | steps.Decide | steps.LetIn) -> bool:
        match step:
            case steps.Register():
                return self._register(run, step)
            case steps.Decide(package, approved, note):
                told = self.registry.decide(package, approved=approved, note=note)
                follows = approval.follow(run, told, self.records.release(run.pipeline), self.clock())
                # Told once: where SageMaker does not say so yet, the run is due, and looks again.
                return not isinstance(follows, steps.Decide) and self._act(run, follows)
            case steps.LetIn(command):
                self.propose(run, command)
                return self._record(approval.let_in(run, self.clock()))
            case _:
                assert_never(step)

    def _job_name(self, run: Run) -> str:
        return self.settings.names.job(run.pipeline, run.id, 0, ends.attempt_of(run))

    def _plan(self, run: Run) -> TrainingJob:
        trained = self.setups.trained(run)
        return plan_training(
            run,
            trained.resolved,
            name=self._job_name(run),
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
        except QuotaError as error:
            return self._wait_for_room(run, error.message)
        except ThrottledError as error:
            return self._wait_for_room(run, error.message, limit=math.inf)
        try:
            return self._record(decide.begin(run, job, None, self.clock()))
        except ConflictError:
            self._take_back(run, job)
            raise

    def _take_back(self, run: Run, job: TrainingJob) -> None:
        """Stop what was started for a run that had ended, or was tried again, while this worker stood still."""
        found = self.records.run(run.id)
        if found is None or (found.candidate and found.candidate.job == job.name):
            return
        later = ends.attempt_of(found) > self.settings.names.job_attempt(job.name)
        if not found.state.final and not later:
            return
        why = f"attempt {ends.attempt_of(found)} has begun" if later else "the run ended before it was started"
        facts = {"job": job.name, "why": why}
        self.records.note(f"run:{run12(run.id)}", Entry(self.clock(), "asked to stop", facts))
        self.jobs.stop(job.name)

    def _hold(self, run: Run, pause: Pause) -> bool:
        """Start nothing while it is paused; the timeline tells it once."""
        move = pauses.hold(run, pause, self.clock())
        self.report.run(self.records.save(move.run, *([] if pauses.is_told(run, pause) else [move.entry])))
        return False

    def _stop(self, stopping: Run, job: str) -> bool:
        """Remember that it was us before asking: a job that a person stopped stays stopped, this one may be wanted."""
        now = self.clock()
        why = f"stopped {stopping.stopping.told}" if stopping.stopping else "superseded"
        entry = Entry(now, "asked to stop", {"job": job, "why": why})
        self._record(steps.Move(replace(stopping, due=now + ends.LOOK_AGAIN), entry))
        self.jobs.stop(job)
        return False

    def _wait_for_room(self, run: Run, reason: str, limit: float | None = None) -> bool:
        """Try again later, for as long as the pipeline says; being asked to slow down is no reason to give up."""
        train = self.setups.trained(run).resolved.train
        patience = train.capacity_wait_seconds if limit is None else limit
        move = ends.wait_for_room(run, f"{train.instance_type}: {reason}", self.clock(), patience)
        self._record(move)
        wait = (move.run.due or 0.0) - self.clock()
        if wait <= _LONGEST_WAKE:
            self.timer.wake(f"run:{run12(run.id)}", seconds=math.ceil(wait))
        return False

    def _register(self, run: Run, step: steps.Register) -> bool:
        """Register, and propose to the release before the run is final: a crash in between does both again.

        The release may go on at once: what it reads of the run, its labels and package, is remembered before.
        """
        candidate = run.candidate
        if candidate is None or candidate.model_uri is None:
            raise AssertionError("Only a completed job is registered.")
        labels = step.labels
        request = self.setups.package(run, labels, step.why, candidate.model_uri, approved=not step.manual)
        self.bucket.write(metrics_key(run.pipeline, run.id), metrics_document(candidate.metrics))
        package = self.registry.register(request)
        if (run.package, run.labels) != (package.arn, labels):
            run = self.records.save(replace(run, package=package.arn, labels=labels))
        if not step.manual:
            self.propose(run)
        return self._record(evaluation.register(run, package.arn, step, self.clock()))

    def _gather_evidence(self, run: Run, candidate: Candidate, compared: Comparison) -> evaluation.Evidence:
        version = self.setups.newest(run)
        release = self.records.release(run.pipeline)
        live = release.live if release else None
        return evaluation.Evidence(
            changed=compared.changed,
            model_found=self._finds_model(candidate.model_uri),
            told_labels=evaluation.labels_in(self.logs.keep(run, candidate.job)),
            set_labels=version.pipeline.serve.labels,
            gate=version.pipeline.gate,
            champion=live.metrics if live is not None and live.run != run.id else None,
            more_changed=compared.count - len(compared.changed),
        )

    def _finds_model(self, uri: str | None) -> bool:
        head = f"s3://{self.settings.bucket}/"
        found = self.bucket.head(uri.removeprefix(head)) if uri and uri.startswith(head) else None
        return found is not None and found.size > 0

    def _wait(self, run: Run, seen: Run, until: float | None) -> None:
        """Remember what changed; a run that did not change is written only to move its due time on."""
        now = self.clock()
        if seen != run or run.due is None or run.due <= now:
            saved = self.records.save(replace(seen, due=until or now + ends.LOOK_AGAIN))
            if saved.state.final:
                self.report.run(saved)

    def _rest(self, run: Run) -> None:
        if run.due is not None:
            self.report.run(run)
            self.records.save(replace(run, due=None))

    def _record(self, move: steps.Move) -> bool:
        saved = self.records.save(move.run, move.entry)
        self.report.run(saved)
        return True
