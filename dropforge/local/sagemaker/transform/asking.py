"""The server of one transform job: brought up, asked record by record, ended."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.hosting.calls import call
from dropforge.local.sagemaker.hosting.exchange import BrokenError, Headers, Reply
from dropforge.local.sagemaker.hosting.serving import Server, no_ping
from dropforge.local.sagemaker.logs import TRANSFORM_GROUP
from dropforge.local.sagemaker.sandbox import SandboxError
from dropforge.local.sagemaker.store import Doc

_GLANCE = 0.02
_PAUSE = 0.1
_MOST = 100
_LARGEST = 256 * 1024 * 1024
_NAME = "transform"
SEE_LOGS = "See job logs for more information"


class AskError(Exception):
    """No answer, or one that is a no. `who` is whose fault it was, `said` the lines for the log."""

    def __init__(self, who: str, *said: str) -> None:
        super().__init__(said[0] if said else who)
        self.who = who
        self.said = said


class Asking:
    """Asks the container of a job; any number of threads may."""

    def __init__(self, ground: Ground, job: Doc, parameters: Mapping[str, Any], stop: threading.Event) -> None:
        container = job["_container"]
        environment = {**container.get("Environment", {}), **job.get("Environment", {}), **_told(job, parameters)}
        variant = {"name": _NAME, "image": container["Image"], "data": container.get("ModelDataUrl")}
        client = job.get("ModelClientConfig", {})
        self._seconds = client.get("InvocationsTimeoutInSeconds", 600)
        self._tries = 1 + client.get("InvocationsMaxRetries", 3)
        self._headers = _headers(job)
        self._limits = ground.limits
        self._stop = stop
        self._server = Server(ground, job["TransformJobName"], {**variant, "environment": environment}, self._seconds)
        self._server.group = TRANSFORM_GROUP
        self.log = self._server.log = f"{job['TransformJobName']}/i-{uuid.uuid4().hex[:17]}-{int(time.time())}"

    def start(self) -> None:
        """Wait until the server answers its ping; AskError when it does not."""
        self._server.start()
        deadline = time.monotonic() + self._limits.startup
        while not self._server.up.wait(_GLANCE) and not self._stop.is_set():
            if time.monotonic() > deadline:
                raise AskError("AlgorithmError", SEE_LOGS)
        if self._server.failure:
            known = self._server.failure != no_ping(_NAME)
            raise AskError("ClientError" if known else "AlgorithmError", self._server.failure if known else SEE_LOGS)

    def parameters(self) -> dict[str, Any]:
        """Ask the container how it wants to be asked; it need not know."""
        try:
            answer = self._call("GET", "/execution-parameters", (), b"")
            said = json.loads(answer.body) if answer.status == HTTPStatus.OK else {}
        except (OSError, BrokenError, SandboxError, ValueError):
            return {}
        return _understood(said) if isinstance(said, dict) else {}

    @property
    def fell(self) -> bool:
        """Whether the container has ended by itself: it is started again, but the job is over."""
        return self._server.restarts > 0

    @property
    def starved(self) -> bool:
        """Whether the container was ended for its memory."""
        return self._server.starved

    def ask(self, body: bytes) -> bytes:
        """Send one request, again where the container fails; AskError when it will not answer."""
        for number in range(self._tries):
            try:
                return self._try(body)
            except AskError as error:
                if error.who == "ClientError" or self.fell or number == self._tries - 1:
                    raise
                if self._stop.wait(_PAUSE * 2**number):
                    raise
        raise AssertionError("a request is tried at least once")

    def close(self) -> None:
        self._server.close()

    def _try(self, body: bytes) -> bytes:
        try:
            answer = self._call("POST", "/invocations", self._headers, body)
        except (OSError, BrokenError, SandboxError) as error:
            raise AskError("AlgorithmError", f"Unable to get response from algorithm: {error}") from error
        status, said = answer.status, answer.body.decode(errors="replace").splitlines()
        if status // 100 == 4:  # noqa: PLR2004 - the class of the client's mistakes
            raise AskError("ClientError", f"ClientError: {status}", "", "Message:", *said)
        if status // 100 != 2:  # noqa: PLR2004 - the class of successes
            told = f"Bad HTTP status received from algorithm: {status}"
            raise AskError("AlgorithmError", told, "", "Message:", *said)
        return answer.body

    def _call(self, method: str, path: str, headers: Headers, body: bytes) -> Reply:
        return call(self._server, method, path, headers, body, seconds=self._seconds, largest=_LARGEST)


def _headers(job: Doc) -> Headers:
    given = {"content-type": job["TransformInput"].get("ContentType"), "accept": job["TransformOutput"].get("Accept")}
    return [(name, value) for name, value in given.items() if value]


def _told(job: Doc, parameters: Mapping[str, Any]) -> dict[str, str]:
    """Make what SageMaker adds to the environment of a container that transforms."""
    return {
        "SAGEMAKER_BATCH": "true",
        "SAGEMAKER_BATCH_STRATEGY": capitals(parameters["BatchStrategy"]),
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": str(parameters["MaxConcurrentTransforms"]),
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": str(parameters["MaxPayloadInMB"]),
        "TRANSFORM_JOB_ARN": job["TransformJobArn"],
    }


def _understood(said: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what can be: a container says SINGLE_RECORD, and may say anything."""
    strategy = {"SINGLE_RECORD": "SingleRecord", "MULTI_RECORD": "MultiRecord"}.get(str(said.get("BatchStrategy")))
    numbers = {name: said.get(name) for name in ("MaxConcurrentTransforms", "MaxPayloadInMB")}
    fine = {name: value for name, value in numbers.items() if type(value) is int and 0 < value <= _MOST}
    return {**fine, **({"BatchStrategy": strategy} if strategy else {})}


def capitals(strategy: str) -> str:
    """Spell a batch strategy as containers are told it."""
    return "SINGLE_RECORD" if strategy == "SingleRecord" else "MULTI_RECORD"
