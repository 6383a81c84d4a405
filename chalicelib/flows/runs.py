"""The run machine: from a sealed dataset to a registered model, or to the reason why not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from aws_lambda_powertools import Logger

from chalicelib.decide import approval, evaluation
from chalicelib.decide import run as decide
from chalicelib.decide import run_ends as ends
from chalicelib.decide import run_steps as steps
from chalicelib.decide.serving import metrics_document, metrics_key
from chalicelib.errors import DropforgeError, NotFoundError, RefusedError, ThrottledError, UnavailableError
from chalicelib.events import JobChanged, PackageChanged
from chalicelib.flows.again import step_by_step
from chalicelib.flows.attempts import Attempts
from chalicelib.flows.logs import Logs
from chalicelib.flows.report import Report
from chalicelib.flows.setups import Setups
from chalicelib.flows.turn import Propose
from chalicelib.model import Candidate, Comparison, Run, RunState
from chalicelib.names import run12
from chalicelib.pipeline import Versions
from chalicelib.ports import Bucket, Clock, Jobs, Records, Registry, Timer
from chalicelib.settings import Settings

STEPS = 20
"""Steps one call takes at most; a run needs six."""
_CORRECT = "Correct what SageMaker or the stage refuses, push the pipeline, and drop the dataset again."

log = Logger(service="dropforge", child=True)

Compare = Callable[[Bucket, Run, Clock], Comparison]
"""Compares the sealed files of a run with what lies there, as far as one call takes."""


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
        self.attempts = Attempts(records, timer, clock, settings, jobs, self.setups, report)

    def job_changed(self, changed: JobChanged) -> None:
        parts = self.settings.names.job_parts(changed.name)
        if parts is not None:
            self.advance(parts[1])
            self.attempts.stop_stray(parts[1], changed.name)

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
            job = self.attempts.plan(run)
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
            return decide.watch(run, self.jobs.describe(self.attempts.job_of(run)), now)
        if run.package is not None and run.state in {RunState.REGISTERED, RunState.REJECTED}:
            return approval.follow(run, self.registry.describe(run.package), self.records.release(run.pipeline), now)
        return steps.Rest()

    def _act(self, run: Run, step: steps.Step) -> bool:
        match step:
            case steps.Rest() | steps.Wait() | steps.GoOn():
                self._leave(run, step)
                return False
            case steps.StartTraining(job):
                return self.attempts.start(run, job)
            case steps.StopTraining(job, stopping):
                return self.attempts.stop(stopping, job)
            case steps.NoRoom(seen, reason):
                return self.attempts.wait_for_room(seen, reason)
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
