"""Training jobs in memory, as strict as SageMaker: a name is used once for ever, and stopping takes its time."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace

from chalicelib.errors import AlreadyExistsError, InvalidError, RefusedError
from chalicelib.ports import Clock, JobSeen, LogLine, Page, TrainingJob
from tests.fakes.bucket import FakeBucket

NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
VALUE_LIMIT = 2500
ENDED = frozenset({"Completed", "Failed", "Stopped"})


class FakeJobs:
    def __init__(self, clock: Clock, bucket: FakeBucket) -> None:
        self.clock = clock
        self.bucket = bucket
        self.started: list[TrainingJob] = []
        """Every job ever created, in order."""
        self._seen: dict[str, JobSeen] = {}
        self._lines: dict[str, list[LogLine]] = {}

    def start(self, job: TrainingJob) -> None:
        if job.name in self._seen:
            raise AlreadyExistsError(f"Training job names must be unique: {job.name}.", name=job.name)
        _check(job)
        self.started.append(deepcopy(job))
        self._seen[job.name] = JobSeen(job.name, "InProgress", "Starting", request=job.request)

    def describe(self, name: str) -> JobSeen | None:
        return deepcopy(self._seen.get(name))

    def stop(self, name: str) -> None:
        if name in self._seen and self._seen[name].status == "InProgress":
            self._move(name, status="Stopping", secondary="Stopping")

    def log(self, name: str, *, after: str | None = None, limit: int = 1000) -> Page[LogLine]:
        if after is not None and not after.isdecimal():
            raise InvalidError("That `next` is not one that a log gave.", token=after)
        start = int(after or 0)
        lines = tuple(self._lines.get(name, [])[start : start + limit])
        return Page(lines, str(start + len(lines)))

    # What a test does: SageMaker's side.

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(job.name for job in self.started)

    def step(self, name: str, secondary: str) -> None:
        """Move a running job on: Downloading, Training, Uploading, …"""
        started = self._seen[name].started_at
        if secondary == "Training" and started is None:
            started = self.clock()
        self._move(name, secondary=secondary, started_at=started)

    def say(self, name: str, *texts: str) -> None:
        self._lines.setdefault(name, []).extend(LogLine(self.clock(), text) for text in texts)

    def finish(
        self,
        name: str,
        metrics: Mapping[str, float] | None = None,
        labels: Sequence[str] | None = None,
        *,
        model: bool = True,
    ) -> None:
        """Complete it. Without a model, SageMaker still names the place where one should lie."""
        job = self._started(name)
        uri = f"{job.output_uri.rstrip('/')}/{name}/output/model.tar.gz"
        if model:
            self.bucket.keep(uri.removeprefix(f"s3://{self.bucket.name}/"), _archive(name), "application/gzip")
        if labels is not None:
            self.say(name, f"dropforge.labels={json.dumps(list(labels))}")
        for metric, value in (metrics or {}).items():
            self.say(name, f"{metric}={value}")
        self._end(name, "Completed", "Completed", model_uri=uri, metrics=dict(metrics or {}))

    def fail(self, name: str, reason: str = "AlgorithmError: it broke") -> None:
        self._end(name, "Failed", "Failed", reason=reason)

    def settle(self) -> None:
        """Let every job that is Stopping end as Stopped."""
        for name in [name for name, seen in self._seen.items() if seen.status == "Stopping"]:
            self._end(name, "Stopped", "Stopped")

    def _started(self, name: str) -> TrainingJob:
        return next(job for job in self.started if job.name == name)

    def _end(self, name: str, status: str, secondary: str, **facts: object) -> None:
        if self._seen[name].status in ENDED:
            raise AssertionError(f"{name} has ended already, as {self._seen[name].status}")
        now = self.clock()
        started = self._seen[name].started_at or now
        self._move(
            name,
            status=status,
            secondary=secondary,
            started_at=started,
            ended_at=now,
            billable_seconds=max(1, round(now - started)),
            **facts,
        )

    def _move(self, name: str, **changes: object) -> None:
        self._seen[name] = replace(self._seen[name], **changes)  # type: ignore[arg-type] # one place for all fields


def _check(job: TrainingJob) -> None:
    if NAME.fullmatch(job.name) is None:
        raise RefusedError(f"Value '{job.name}' at 'trainingJobName' failed to satisfy constraint.", name=job.name)
    for key, value in job.hyperparameters.items():
        if len(value) > VALUE_LIMIT:
            raise RefusedError(f"Hyperparameter {key} is longer than {VALUE_LIMIT} characters.", name=job.name)
    if not job.output_uri.startswith("s3://") or not all(channel.uri.startswith("s3://") for channel in job.channels):
        raise RefusedError("Every location must be an S3 URI.", name=job.name)


def _archive(name: str) -> bytes:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as archive:
        about = tarfile.TarInfo("model.txt")
        about.size = len(name)
        archive.addfile(about, io.BytesIO(name.encode()))
    return body.getvalue()
