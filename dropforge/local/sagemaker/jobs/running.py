"""Runs training jobs: one thread each, from the first byte of input to the last of output."""

from __future__ import annotations

import logging
import math
import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from dropforge.local.sagemaker import artifacts, events, images, sandbox, source
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.jobs import container, inputs, metrics, training
from dropforge.local.sagemaker.logs import TRAINING_GROUP, Stream
from dropforge.local.sagemaker.sandbox.view import HOST
from dropforge.local.sagemaker.store import Doc, Event

_GLANCE = 0.05
_LAST_LINES_SECONDS = 10
_LONGEST_LINE = 64 * 1024  # bytes; a longer one is passed on in parts
INTERNAL = "InternalServerError: We encountered an internal error. Please try again."
CUT_SHORT = f"{INTERNAL} The local cloud was stopped while the job ran."

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class End:
    """How a job ended: its status, the secondary status, and why."""

    status: str
    secondary: str
    reason: str | None = None


@dataclass(slots=True)
class Live:
    """A job that runs now."""

    stop: threading.Event = field(default_factory=threading.Event)
    process: sandbox.Process | None = None
    thread: threading.Thread | None = None


class Training:
    """Runs jobs, each in a sandbox, and tells the store of every step."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._store = ground.store
        self._home = ground.home / "jobs"
        self._client = ground.client
        self._logs = ground.logs
        self._live: dict[str, Live] = {}
        self._closing = threading.Event()
        unfinished = self._store.select("kind = ? AND status IN (?, ?)", (training.KIND, "InProgress", "Stopping"))
        self._left = [row.name for row in unfinished]  # known before the first call of this life

    def launch(self, name: str) -> None:
        live = self._live[name] = Live()
        live.thread = threading.Thread(target=self._thread, args=(name, live), name=f"job-{name}", daemon=True)
        live.thread.start()

    def stop(self, name: str) -> None:
        """Wake the job's thread: the store says already that it is to stop."""
        live = self._live.get(name)
        if live:
            live.stop.set()

    def resume(self) -> None:
        """Tell the truth about jobs that a former life of the cloud left unfinished: they are lost."""
        for name in self._left:
            self._finish(name, End("Failed", "Failed", CUT_SHORT))
            shutil.rmtree(self._home / name, ignore_errors=True)

    def close(self) -> None:
        """Kill what runs; the next start will say that these jobs were cut short."""
        self._closing.set()
        for live in list(self._live.values()):
            live.stop.set()
            if live.process:
                live.process.kill()
        for live in list(self._live.values()):
            if live.thread:
                live.thread.join(5)

    def status(self) -> list[str]:
        return sorted(self._live)

    def _thread(self, name: str, live: Live) -> None:
        folder = self._home / name
        try:
            end = self._run(name, folder, live)
        except Exception:  # the edge of the thread: whatever it was, the job must not stay InProgress
            logger.exception("training job %s met an internal error", name)
            end = End("Failed", "Failed", INTERNAL)
        if not self._closing.is_set():
            self._finish(name, end)
        self._live.pop(name, None)
        shutil.rmtree(folder, ignore_errors=True)

    def _run(self, name: str, folder: Path, live: Live) -> End:
        folder.mkdir(parents=True, exist_ok=True)
        job = self._enter(name, "Downloading", TrainingStartTime=time.time())
        container.prepare(folder, job)
        s3 = self._client("s3")
        try:
            for channel in job.get("InputDataConfig", ()):
                target = folder / "ml" / "input" / "data" / channel["ChannelName"]
                inputs.fetch(s3, channel, target, live.stop.is_set)
            source.bring(s3, job.get("HyperParameters", {}), source.HYPERPARAMETER, folder)
        except (inputs.InputError, ClientError) as error:
            return End("Failed", "Failed", f"ClientError: {error}"[: container.FAILURE_LENGTH])
        if live.stop.is_set():
            return End("Stopped", "Stopped")
        job = self._enter(name, "Training")
        end = self._train(name, job, folder, live)
        return end if self._closing.is_set() else self._upload(name, job, folder, end)

    def _train(self, name: str, job: Doc, folder: Path, live: Live) -> End:
        algorithm = job["AlgorithmSpecification"]
        image = images.folder(algorithm["TrainingImage"], self._ground.images)
        process = sandbox.start(
            sandbox.Spec(
                container.command(job), folder, container.environment(job), image=image, hidden=(self._ground.home,)
            )
        )
        live.process = process
        stream = self._logs.open(TRAINING_GROUP, f"{name}/{HOST}-{int(job['CreationTime'])}")
        figures = metrics.read_all(algorithm.get("MetricDefinitions", ()))
        reader = threading.Thread(target=_read, args=(process, stream, figures), name=f"log-{name}", daemon=True)
        reader.start()
        end = self._watch(process, job, folder, live)
        reader.join(_LAST_LINES_SECONDS)
        self._logs.close(stream)
        if final := figures.final():
            self._change(name, lambda doc: doc.update(FinalMetricDataList=final))
        return end

    def _watch(self, process: sandbox.Process, job: Doc, folder: Path, live: Live) -> End:
        """Wait for the program's end, for the end of its time, or for the wish to stop it."""
        limit = time.monotonic() + job["StoppingCondition"]["MaxRuntimeInSeconds"]
        while (code := process.wait(_GLANCE)) is None:
            if live.stop.is_set():
                self._end(process)
                return End("Stopped", "Stopped")
            if time.monotonic() > limit:
                self._end(process)
                return End("Stopped", "MaxRuntimeExceeded")
        if code == 0:
            return End("Completed", "Completed")
        tail = f", exit code: {code}"
        said = container.failure(folder)[: container.FAILURE_LENGTH - len(tail) - len("AlgorithmError: ")]
        return End("Failed", "Failed", f"AlgorithmError: {said}{tail}")

    def _end(self, process: sandbox.Process) -> None:
        process.signal(signal.SIGTERM)
        deadline = time.monotonic() + self._ground.limits.stop
        while process.wait(_GLANCE) is None:
            if time.monotonic() > deadline or self._closing.is_set():
                process.kill()
                process.wait()

    def _upload(self, name: str, job: Doc, folder: Path, end: End) -> End:
        """Upload what the program left: its model unless it failed, its output in any case."""
        base = f"{job['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{name}/output"
        s3 = self._client("s3")
        model = container.own(folder, "ml/model") if end.status != "Failed" else None
        output = container.own(folder, "ml/output/data")
        if end.status != "Failed":
            self._enter(name, "Uploading")
        try:
            if model and artifacts.pack_and_upload(s3, model, f"{base}/model.tar.gz", folder):
                uri = f"{base}/model.tar.gz"
                self._change(name, lambda doc: doc.update(ModelArtifacts={"S3ModelArtifacts": uri}))
            if output:
                artifacts.pack_and_upload(s3, output, f"{base}/output.tar.gz", folder)
        except Exception as error:  # noqa: BLE001 - whatever S3 or the disk says, it is the job's failure and is told as such
            return End("Failed", "Failed", f"ClientError: Artifact upload failed: {error}"[: container.FAILURE_LENGTH])
        return end

    def _enter(self, name: str, secondary: str, **more: Any) -> Doc:
        def step(doc: Doc) -> list[Event]:
            doc.update(more)
            if doc["_stop"]:  # its status is Stopping until it is over
                return []
            training.enter(doc, secondary)
            return [events.training(doc)]

        return self._store.change(training.KIND, name, step)

    def _change(self, name: str, edit: Callable[[Doc], None]) -> None:
        def step(doc: Doc) -> list[Event]:
            edit(doc)
            return []

        self._store.change(training.KIND, name, step)

    def _finish(self, name: str, end: End) -> None:
        def step(doc: Doc) -> list[Event]:
            now = time.time()
            started = doc.get("TrainingStartTime")
            doc |= {"TrainingJobStatus": end.status, "TrainingEndTime": now}
            if started:
                seconds = math.ceil(now - started)
                doc |= {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": seconds}
            if end.reason:
                doc["FailureReason"] = end.reason
            training.enter(doc, end.secondary, end.reason)
            return [events.training(doc)]

        self._store.change(training.KIND, name, step)


def _read(process: sandbox.Process, stream: Stream, figures: metrics.Metrics) -> None:
    """Pass on what the program writes, line by line as it writes it."""
    with process.output as output:
        while line := output.readline(_LONGEST_LINE):
            stream.write(line.decode(errors="replace").rstrip("\r\n"))
            figures.read(line)
