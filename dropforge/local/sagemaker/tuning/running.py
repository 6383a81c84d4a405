"""Runs tuning jobs: looks at their training jobs, starts the next, ends when there is nothing to gain.

Each training job is remembered before it is started, under a name made of what it tries: another life of the cloud
finds it, or starts it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, assert_never

from dropforge.local.sagemaker.errors import SageMakerError
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.jobs import training
from dropforge.local.sagemaker.kinds.ends import CutShortError, End
from dropforge.local.sagemaker.kinds.kind import FINAL
from dropforge.local.sagemaker.kinds.runs import Live, Runs
from dropforge.local.sagemaker.store import Doc
from dropforge.local.sagemaker.tuning import decide, space, states, trials
from dropforge.local.sagemaker.tuning.decide import Asked, Finish, Launch, Trial, Wait
from dropforge.local.sagemaker.tuning.jobs import KIND

_GLANCE = 0.1

Perform = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class Tuning:
    """Runs tuning jobs; `start` and `end` are the operations on training jobs."""

    def __init__(self, ground: Ground, start: Perform, end: Perform) -> None:
        self._store = ground.store
        self._start = start
        self._end = end
        self.runs = Runs(ground, KIND, states.TUNING, self._perform, goes_on=lambda _: True)

    def _perform(self, job: Doc, _: Path, live: Live) -> End:
        name, config = job["HyperParameterTuningJobName"], job["HyperParameterTuningJobConfig"]
        self.runs.wait("Starting", name, live)
        found = space.read(config, job["TrainingJobDefinition"].get("StaticHyperParameters") or {})
        wish = decide.asked(job["HyperParameterTuningJobArn"], config, found)
        over: dict[str, Doc] = {}
        while not live.stop.wait(_GLANCE):
            try:
                job, known = self._look(name, wish, over)
            except SageMakerError as error:
                return self._close(name, wish, End("Failed", f"ClientError: {error.message}"))
            match decide.following(wish, found, known, time.time() - job["CreationTime"]):
                case Launch() as step:
                    self._remember(name, step)
                case Finish(status, reason):
                    return self._close(name, wish, End(status, reason))
                case Wait():
                    continue
                case never:
                    assert_never(never)
        return self._close(name, wish, End("Stopped"))

    def _look(self, name: str, wish: Asked, over: dict[str, Doc]) -> tuple[Doc, list[Trial]]:
        """Look at the training jobs, start those that were only remembered, and tell what has changed.

        `over` keeps those that have ended: nothing of them changes any more.
        """
        job = self._job(name)
        pairs = [(trial, over.get(trial["name"]) or self._adopt(job, trial)) for trial in job["_trials"]]
        ended = (found for _, found in pairs if found and found["TrainingJobStatus"] in FINAL)
        over.update({found["TrainingJobName"]: found for found in ended})
        known = [trials.seen(job, trial, found) for trial, found in pairs]
        told = trials.counters(known)
        told["TuningJobCompletionDetails"] = {
            "NumberOfTrainingJobsObjectiveNotImproving": decide.not_improving(wish, known)
        }
        told["ConsumedResources"] = {
            "RuntimeInSeconds": sum((found or {}).get("TrainingTimeInSeconds") or 0 for _, found in pairs)
        }
        if best := decide.best(wish, known):
            told["BestTrainingJob"] = next(
                trials.summary(job, trial, found) for trial, found in pairs if trial["name"] == best.name
            )
        if any(job.get(key) != value for key, value in told.items()):
            job = self.runs.change(name, lambda doc: doc.update(told))
        return job, known

    def _adopt(self, job: Doc, trial: Doc) -> Doc | None:
        """Give a training job that was remembered; starts it where it is not there yet, and nobody wants to stop."""
        found = self._store.get(training.KIND.name, trial["name"])
        if found is None and not job["_stop"] and not self.runs.closing.is_set():
            self._start(trials.request(job, trial))
            found = self._store.get(training.KIND.name, trial["name"])
        if found is None or found.get("TuningJobArn"):
            return found
        arn = job["HyperParameterTuningJobArn"]
        return self._store.change(training.KIND.name, trial["name"], lambda doc: doc.update(TuningJobArn=arn))

    def _remember(self, name: str, step: Launch) -> None:
        self.runs.change(name, lambda doc: doc["_trials"].append(trials.entry(doc, step)))

    def _close(self, name: str, wish: Asked, end: End) -> End:
        """Stop what still runs and wait for its end; the counts are the last ones then."""
        while True:
            if self.runs.closing.is_set():
                raise CutShortError
            running = [found for found in self._started(name) if found["TrainingJobStatus"] not in FINAL]
            if not running:
                break
            for found in running:
                if found["TrainingJobStatus"] != "Stopping":
                    with contextlib.suppress(SageMakerError):  # it ended in this moment
                        self._end({"TrainingJobName": found["TrainingJobName"]})
            self.runs.closing.wait(_GLANCE)
        self._forget(name)
        self._look(name, wish, {})
        return end

    def _started(self, name: str) -> list[Doc]:
        found = (self._store.get(training.KIND.name, trial["name"]) for trial in self._job(name)["_trials"])
        return [one for one in found if one is not None]

    def _forget(self, name: str) -> None:
        """Forget training jobs that were remembered and never started: there is no more need for them."""
        there = {found["TrainingJobName"] for found in self._started(name)}
        trimmed = [trial for trial in self._job(name)["_trials"] if trial["name"] in there]
        self.runs.change(name, lambda doc: doc.update(_trials=trimmed))

    def _job(self, name: str) -> Doc:
        job = self._store.get(KIND.name, name)
        if job is None:
            raise CutShortError
        return job
