"""The training job of a run's present attempt: started once, stopped where it is not wanted, put off for want of room.

A worker may stand still between its look and its call for as long as a function lives. So whoever starts a job looks
again after, and a job of an attempt that is over is stopped by whoever hears of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from chalicelib.decide import pauses
from chalicelib.decide import run as decide
from chalicelib.decide import run_ends as ends
from chalicelib.decide.run_steps import Move
from chalicelib.decide.training import plan_training
from chalicelib.errors import AlreadyExistsError, ConflictError, QuotaError, ThrottledError
from chalicelib.flows.report import Report
from chalicelib.flows.setups import Setups
from chalicelib.model import Entry, Pause, Run
from chalicelib.names import run12
from chalicelib.ports import Clock, Jobs, Records, Timer, TrainingJob
from chalicelib.settings import Settings

_LONGEST_WAKE = 900.0


@dataclass(frozen=True, slots=True)
class Attempts:
    records: Records
    timer: Timer
    clock: Clock
    settings: Settings
    jobs: Jobs
    setups: Setups
    report: Report

    def job_of(self, run: Run) -> str:
        return self.settings.names.job(run.pipeline, run.id, 0, ends.attempt_of(run))

    def plan(self, run: Run) -> TrainingJob:
        trained = self.setups.trained(run)
        return plan_training(
            run,
            trained.resolved,
            name=self.job_of(run),
            image=trained.image,
            bucket=self.settings.bucket,
            code_key=trained.version.code_key,
            region=self.settings.region,
        )

    def start(self, run: Run, job: TrainingJob) -> bool:
        """Start the job, unless it is paused; tell whether another step may follow at once."""
        pause = self.records.paused(run.pipeline)
        if pause is not None:
            return self._hold(run, pause)
        try:
            self.jobs.start(job)
        except AlreadyExistsError:
            return True  # described next: it counts only with our digest
        except QuotaError as error:
            return self.wait_for_room(run, error.message)
        except ThrottledError as error:
            return self.wait_for_room(run, error.message, limit=math.inf)
        try:
            return self._record(decide.begin(run, job, None, self.clock()))
        except ConflictError:
            self._take_back(run, job)
            raise

    def stop(self, stopping: Run, job: str) -> bool:
        """Remember that it was us before asking: a job that a person stopped stays stopped, this one may be wanted."""
        now = self.clock()
        why = f"stopped {stopping.stopping.told}" if stopping.stopping else "superseded"
        entry = Entry(now, "asked to stop", {"job": job, "why": why})
        self._record(Move(replace(stopping, due=now + ends.LOOK_AGAIN), entry))
        self.jobs.stop(job)
        return False

    def stop_stray(self, name: str, job: str) -> None:
        """Stop a job of an attempt that is over: a worker that stood still for long may start one all the same."""
        run = self.records.run(name)
        if run is None or self.settings.names.job_attempt(job) >= ends.attempt_of(run):
            return
        seen = self.jobs.describe(job)
        if seen is not None and seen.status == "InProgress" and seen.request:
            self._stop_unwanted(run, job, _overtaken_by(run))

    def wait_for_room(self, run: Run, reason: str, limit: float | None = None) -> bool:
        """Try again later, for as long as the pipeline says; being asked to slow down is no reason to give up."""
        train = self.setups.trained(run).resolved.train
        patience = train.capacity_wait_seconds if limit is None else limit
        move = ends.wait_for_room(run, f"{train.instance_type}: {reason}", self.clock(), patience)
        self._record(move)
        wait = (move.run.due or 0.0) - self.clock()
        if wait <= _LONGEST_WAKE:
            self.timer.wake(f"run:{run12(run.id)}", seconds=math.ceil(wait))
        return False

    def _hold(self, run: Run, pause: Pause) -> bool:
        """Start nothing while it is paused; the timeline tells it once."""
        move = pauses.hold(run, pause, self.clock())
        self.report.run(self.records.save(move.run, *([] if pauses.is_told(run, pause) else [move.entry])))
        return False

    def _record(self, move: Move) -> bool:
        self.report.run(self.records.save(move.run, move.entry))
        return True

    def _take_back(self, run: Run, job: TrainingJob) -> None:
        """Stop what was started for a run that had ended, or was tried again, while this worker stood still."""
        found = self.records.run(run.id)
        if found is None or (found.candidate and found.candidate.job == job.name):
            return
        if ends.attempt_of(found) > self.settings.names.job_attempt(job.name):
            self._stop_unwanted(found, job.name, _overtaken_by(found))
        elif found.state.final:
            self._stop_unwanted(found, job.name, "the run ended before it was started")

    def _stop_unwanted(self, run: Run, job: str, why: str) -> None:
        self.records.note(f"run:{run12(run.id)}", Entry(self.clock(), "asked to stop", {"job": job, "why": why}))
        self.jobs.stop(job)


def _overtaken_by(run: Run) -> str:
    return f"attempt {ends.attempt_of(run)} has begun"
