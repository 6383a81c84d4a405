"""Runs transform jobs: objects brought, split, sent to the model's server, answers put together and taken to S3."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.jobs import inputs
from dropforge.local.sagemaker.jobs.bounds import OUT_OF_MEMORY, Bounds
from dropforge.local.sagemaker.jobs.capacity import LACKING
from dropforge.local.sagemaker.jobs.channels import asked, files
from dropforge.local.sagemaker.kinds.ends import CutShortError, End
from dropforge.local.sagemaker.kinds.runs import Live, Runs
from dropforge.local.sagemaker.logs import TRANSFORM_GROUP, Stream
from dropforge.local.sagemaker.places import split_uri
from dropforge.local.sagemaker.store import Doc
from dropforge.local.sagemaker.transform import states
from dropforge.local.sagemaker.transform.asking import SEE_LOGS, AskError, Asking, capitals
from dropforge.local.sagemaker.transform.jobs import KIND
from dropforge.local.sagemaker.transform.joining import JoinError, Joining, joining
from dropforge.local.sagemaker.transform.split import MEGABYTE, Batch, SplitError, batches, payload

_GLANCE = 0.1
_DEFAULTS = {"MaxConcurrentTransforms": 1, "MaxPayloadInMB": 6, "BatchStrategy": "MultiRecord"}


@dataclass(slots=True)
class Source:
    """One object: its file, its name below the prefix, what has been answered so far, and whose fault it is if not."""

    path: Path
    name: str
    out: Path
    failed: str | None = None


class Transform:
    """Runs jobs, each with a server of its own."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.bounds = Bounds()
        self.runs = Runs(ground, KIND, states.TRANSFORM, self._perform)

    def _perform(self, job: Doc, folder: Path, live: Live) -> End:
        self.runs.wait("Starting", job["TransformJobName"], live)
        if live.stop.is_set():
            return self._stopped()
        if self._ground.scarce(job["TransformResources"]["InstanceType"]):
            return End("Failed", LACKING)
        self.runs.change(job["TransformJobName"], lambda doc: doc.update(TransformStartTime=time.time()), told=True)
        channel = {"ChannelName": "input", "DataSource": job["TransformInput"]["DataSource"]}
        given = {name: job.get(name) or value for name, value in _DEFAULTS.items()}
        asking = Asking(self._ground, job, given, live.stop)
        ended = inputs.within(self.bounds, folder, live.stop.is_set)
        try:
            found = files.fetch_apart(self._ground.client("s3"), asked.read(channel), folder / "in", ended)
            asking.start()
            if not live.stop.is_set():
                return self._work(job, found, live, asking)
        except (inputs.InputError, BotoCoreError, ClientError, OSError) as error:
            return End("Failed", f"ClientError: {error}")
        except AskError as error:
            return End("Failed", OUT_OF_MEMORY if asking.starved else f"{error.who}: {error}")
        finally:
            asking.close()
        return self._stopped()

    def _work(self, job: Doc, found: Mapping[str, Path], live: Live, asking: Asking) -> End:
        said = asking.parameters()
        log = self._ground.logs.open(TRANSFORM_GROUP, f"{asking.log}/data-log")
        work = _Work(self._ground.client("s3"), job, said, found, asking, log)
        try:
            blamed = work.run(live)
        finally:
            self._ground.logs.close(log)
        if live.stop.is_set():
            return self._stopped()
        if blamed and asking.starved:
            return End("Failed", OUT_OF_MEMORY)
        return End("Failed", f"{blamed}: {SEE_LOGS}") if blamed else End("Completed")

    def _stopped(self) -> End:
        if self.runs.closing.is_set():
            raise CutShortError
        return End("Stopped")


class _Work:
    """All objects of one job; answers are asked for side by side, and written in order."""

    def __init__(
        self, s3: Any, job: Doc, said: dict[str, Any], found: Mapping[str, Path], asking: Asking, log: Stream
    ) -> None:
        self._s3 = s3
        self._job = job
        self._found = found
        self._asking = asking
        self._log = log
        self._joining: Joining | None = joining(job)
        known: Doc = {name: job.get(name) or said.get(name) or value for name, value in _DEFAULTS.items()}
        self._at_once: int = known["MaxConcurrentTransforms"]
        self._most: int = known["MaxPayloadInMB"] * MEGABYTE
        self._strategy: str = known["BatchStrategy"]
        called = capitals(self._strategy)
        self._say(
            f"MaxConcurrentTransforms={self._at_once}, MaxPayloadInMB={known['MaxPayloadInMB']}, BatchStrategy={called}"
        )

    def run(self, live: Live) -> str | None:
        """Do all objects; gives whose fault it is where one failed: the others are done all the same."""
        blamed: list[str] = []
        waiting: deque[tuple[Source, Batch | None, Future[bytes]]] = deque()
        with ThreadPoolExecutor(self._at_once, thread_name_prefix="transform") as pool:
            for source, batch in self._batches(blamed):
                if live.stop.is_set() or self._asking.fell:
                    break
                waiting.append((source, batch, pool.submit(self._answer, source, batch)))
                if len(waiting) >= self._at_once:
                    self._settle(*waiting.popleft(), blamed, live)
            while waiting and not live.stop.is_set():
                self._settle(*waiting.popleft(), blamed, live)
            if live.stop.is_set():
                pool.shutdown(wait=False, cancel_futures=True)
                self._asking.close()  # what is still asked gets no answer, and need not be waited for
        return blamed[0] if blamed else None

    def _batches(self, blamed: list[str]) -> Iterator[tuple[Source, Batch | None]]:
        """Give every request of every object; None ends an object."""
        source = self._job["TransformInput"]
        compression, split = source.get("CompressionType", "None"), source.get("SplitType", "None")
        for name, path in self._found.items():
            one = Source(path, name, path.with_suffix(".out"))
            one.out.touch()
            try:
                for batch in batches(path, compression, split, self._strategy, self._most):
                    yield one, batch
            except SplitError as error:
                self._fail(one, "ClientError", [str(error)], blamed)
            yield one, None

    def _answer(self, source: Source, batch: Batch | None) -> bytes:
        if batch is None or source.failed:
            return b""
        if self._joining is None:
            return self._asking.ask(payload(batch))
        return self._joining.answer(batch, self._asking.ask(self._joining.ask(batch)))

    def _settle(
        self, source: Source, batch: Batch | None, answer: Future[bytes], blamed: list[str], live: Live
    ) -> None:
        while not answer.done():
            wait([answer], _GLANCE)
            if live.stop.is_set():
                return
        try:
            body = answer.result()
            if source.failed:
                return
            if batch is None:
                self._take(source)
            else:
                self._write(source, body)
        except AskError as error:
            self._fail(source, error.who, list(error.said), blamed)
        except (JoinError, Boto3Error, BotoCoreError, ClientError) as error:
            self._fail(source, "ClientError", [f"ClientError: {error}"], blamed)

    def _write(self, source: Source, body: bytes) -> None:
        line = self._job["TransformOutput"].get("AssembleWith", "None") == "Line"
        with source.out.open("ab") as out:
            out.write(body.removesuffix(b"\n") + b"\n" if line else body)

    def _take(self, source: Source) -> None:
        bucket, prefix = split_uri(self._job["TransformOutput"]["S3OutputPath"].rstrip("/"))
        self._s3.upload_file(str(source.out), bucket, f"{prefix}/{source.name}.out".lstrip("/"))
        source.out.unlink()

    def _fail(self, source: Source, who: str, said: list[str], blamed: list[str]) -> None:
        if source.failed is None:
            source.failed = who
            blamed.append(who)
            for line in said:
                self._say(f"{source.name}: {line}")

    def _say(self, text: str) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
        self._log.write(f"{now}:[sagemaker logs]: {text}")
