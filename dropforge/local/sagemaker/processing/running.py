"""Runs processing jobs: inputs brought, the program run, outputs taken."""

from __future__ import annotations

import json
import posixpath
import signal
import stat
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from dropforge.local.sagemaker import images, sandbox
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.jobs import container, inputs
from dropforge.local.sagemaker.kinds.runs import CutShortError, End, Live, Runs
from dropforge.local.sagemaker.logs import PROCESSING_GROUP, Stream
from dropforge.local.sagemaker.processing import states
from dropforge.local.sagemaker.processing.jobs import KIND, PROGRAM
from dropforge.local.sagemaker.processing.outputs import Output, OutputError, Watch
from dropforge.local.sagemaker.sandbox.view import HOST
from dropforge.local.sagemaker.store import Doc

_GLANCE = 0.05
_LAST_LINES_SECONDS = 10
_LONGEST_LINE = 64 * 1024  # bytes; a longer one is passed on in parts
_MESSAGE_LENGTH = 1024
_SEE_LOGS = "AlgorithmError: See job logs for more information"


class Processing:
    """Runs jobs, each in a sandbox."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.runs = Runs(ground, KIND, states.PROCESSING, self._perform)

    def _perform(self, job: Doc, folder: Path, live: Live) -> End:
        self.runs.change(job["ProcessingJobName"], lambda doc: doc.update(ProcessingStartTime=time.time()), told=True)
        ml, s3 = folder / "ml", self._ground.client("s3")
        outputs = [Output(s3, one, ml) for one in job.get("ProcessingOutputConfig", {}).get("Outputs", ())]
        try:
            _prepare(ml, job)
            for one in job.get("ProcessingInputs", ()):
                _bring(s3, one, ml, live)
            for output in outputs:
                output.prepare()
        except (inputs.InputError, ClientError, OSError) as error:
            return End("Failed", f"ClientError: {error}")
        if live.stop.is_set():
            return self._stopped(job, live)
        return self._run(job, folder, live, outputs)

    def _run(self, job: Doc, folder: Path, live: Live, outputs: list[Output]) -> End:
        process = live.process = self._start(job, folder)
        if live.stop.is_set() and self.runs.closing.is_set():
            process.kill()  # the cloud closed before it could know of this process
        stream = self._ground.logs.open(
            PROCESSING_GROUP, f"{job['ProcessingJobName']}/{HOST}-{int(job['CreationTime'])}"
        )
        reader = threading.Thread(target=_read, args=(process, stream), name="processing-log", daemon=True)
        reader.start()
        watch = Watch([output for output in outputs if output.continuous])
        end = self._watch(process, job, live)
        watch.end()
        reader.join(_LAST_LINES_SECONDS)
        self._ground.logs.close(stream)
        if self.runs.closing.is_set():
            raise CutShortError
        return _take(end, outputs, _message(folder))

    def _start(self, job: Doc, folder: Path) -> sandbox.Process:
        application = job["AppSpecification"]
        command = (*application.get("ContainerEntrypoint", [PROGRAM]), *application.get("ContainerArguments", ()))
        environment = {"AWS_REGION": self._ground.account.region, **job.get("Environment", {})}
        image = images.folder(application["ImageUri"], self._ground.images)
        return sandbox.start(sandbox.Spec(command, folder, environment, image=image, hidden=(self._ground.home,)))

    def _watch(self, process: sandbox.Process, job: Doc, live: Live) -> End:
        """Wait for the program's end, for the end of its time, or for the wish to stop it."""
        limit = time.monotonic() + job["StoppingCondition"]["MaxRuntimeInSeconds"]
        while (code := process.wait(_GLANCE)) is None:
            if live.stop.is_set():
                self._end(process)
                return self._stopped(job, live)
            if time.monotonic() > limit:
                self._end(process)
                return End("Stopped", "ClientError: The job ran longer than MaxRuntimeInSeconds.")
        return End("Completed") if code == 0 else End("Failed", _SEE_LOGS)

    def _end(self, process: sandbox.Process) -> None:
        process.signal(signal.SIGTERM)
        deadline = time.monotonic() + self._ground.limits.stop
        while process.wait(_GLANCE) is None:
            if time.monotonic() > deadline or self.runs.closing.is_set():
                process.kill()
                process.wait()

    def _stopped(self, job: Doc, live: Live) -> End:
        if self.runs.closing.is_set():
            raise CutShortError
        self.runs.wait("Stopping", job["ProcessingJobName"], live)
        return End("Stopped")


def _prepare(ml: Path, job: Doc) -> None:
    """Write what SageMaker writes before it starts the program."""
    for name in ("config", "output", "processing"):
        (ml / name).mkdir(parents=True, exist_ok=True)
    told = {name: value for name, value in job.items() if not name.startswith("_")}
    (ml / "config" / "processingjobconfig.json").write_text(json.dumps(told))
    (ml / "config" / "resourceconfig.json").write_text(json.dumps({"current_host": HOST, "hosts": [HOST]}))


def _bring(s3: Any, one: Mapping[str, Any], ml: Path, live: Live) -> None:
    side = one["S3Input"]
    place = posixpath.normpath(side["LocalPath"]).removeprefix("/opt/ml/")
    source = {"S3DataType": side["S3DataType"], "S3Uri": side["S3Uri"]}
    channel = {"ChannelName": one["InputName"], "DataSource": {"S3DataSource": source}}
    inputs.fetch(s3, channel, ml / place, live.stop.is_set)


def _take(end: End, outputs: list[Output], message: str) -> End:
    """Take what the program left: of a job that failed, only what is taken while it runs."""
    told: Doc = {"ExitMessage": message} if message else {}
    try:
        for output in outputs:
            if output.continuous or end.status != "Failed":
                output.take()
    except (OutputError, ClientError, OSError) as error:
        return End("Failed", f"ClientError: Output upload failed: {error}", told)
    return End(end.status, end.reason, told)


def _message(folder: Path) -> str:
    """Read what the program left as its last word; nothing where it left none."""
    path = container.own(folder, "ml/output/message")
    if path is None or not stat.S_ISREG(path.lstat().st_mode):
        return ""
    with path.open("rb") as file:
        return file.read(_MESSAGE_LENGTH).decode(errors="replace").strip()


def _read(process: sandbox.Process, stream: Stream) -> None:
    """Pass on what the program writes, line by line as it writes it."""
    with process.output as output:
        while line := output.readline(_LONGEST_LINE):
            stream.write(line.decode(errors="replace").rstrip("\r\n"))
