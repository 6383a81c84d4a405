"""One child process that runs one function, one event at a time."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dropforge.local.functions import runtime
from dropforge.local.functions.forks import Forks, surroundings
from dropforge.local.stack_reading import Function

_INIT_WITHIN = 30.0
_LARGEST_ANSWER = 6_291_556
"""Lambda's limit on a synchronous response, in bytes."""

Log = Callable[[str, str, str], None]
"""Takes a function's name, its log stream and one line."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an invocation gave: JSON, and whether it is an error."""

    payload: bytes
    failed: bool
    alive: bool = True
    """Whether the worker can take another event."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What all workers of a cloud share."""

    project: Path
    environment: Mapping[str, str]
    """Region, credentials and endpoint."""
    log: Log
    forks: Forks


class Worker:
    """Forked by its constructor, which returns before the handler is loaded; OSError where there is no room for it."""

    def __init__(self, function: Function, ground: Ground) -> None:
        self._function = function
        self._ground = ground
        self.stream = f"{datetime.now(UTC):%Y/%m/%d}/[$LATEST]{uuid.uuid4().hex}"
        self._ready = False
        self._status: int | None = None
        self._reaping = threading.Lock()
        forked = ground.forks.fork(self._environment())
        self.pid, self._channel = forked.pid, forked.channel
        threading.Thread(
            target=self._read_log, args=(forked.printed,), name=f"log-{function.name}", daemon=True
        ).start()

    @property
    def alive(self) -> bool:
        with self._reaping:
            if self._status is None:
                self._status = self._ground.forks.status(self.pid)
            return self._status is None

    def invoke(self, payload: bytes, request_id: str) -> Answer:
        """Run the handler on one event, within the function's time-out."""
        try:
            refused = self._await_ready()
            if refused:
                return refused
            deadline = time.time() + self._function.timeout
            header = {"request_id": request_id, "arn": self._function.arn, "deadline": deadline}
            self._channel.settimeout(self._function.timeout)
            runtime.send(self._channel, header, payload)
            answered, answer = runtime.receive(self._channel)
        except TimeoutError:
            return self._timed_out(request_id)
        except (EOFError, OSError):
            return self._died(request_id)
        if len(answer) > _LARGEST_ANSWER:
            return _error(
                "Function.ResponseSizeTooLarge", "Response payload size exceeded maximum allowed payload size"
            )
        return Answer(answer, answered["failed"])

    def kill(self) -> int:
        """End it now, and reap it; gives how it ended, as subprocess tells it."""
        with self._reaping:
            if self._status is None:
                # The number is its own until it is reaped, which only asking for its status does.
                with suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGKILL)
                self._status = self._ground.forks.status(self.pid, wait=True) or 0
            self._channel.close()
            return self._status

    def _await_ready(self) -> Answer | None:
        if self._ready:
            return None
        self._channel.settimeout(_INIT_WITHIN)
        header, problem = runtime.receive(self._channel)
        self._ready = header["ready"]
        return None if self._ready else Answer(problem, failed=True, alive=False)

    def _timed_out(self, request_id: str) -> Answer:
        self.kill()
        text = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.000Z} {request_id} Task timed out after "
        text += f"{self._function.timeout:.2f} seconds" if self._ready else f"{_INIT_WITHIN:.2f} seconds of its start"
        self._ground.log(self._function.name, self.stream, text)
        return _error("Sandbox.Timedout", text)

    def _died(self, request_id: str) -> Answer:
        code = self.kill()
        how = f"signal: {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        text = f"RequestId: {request_id} Error: Runtime exited with error: {how}"
        self._ground.log(self._function.name, self.stream, text)
        return _error("Runtime.ExitError", text)

    def _environment(self) -> dict[str, str]:
        """Give what Lambda gives a function, and nothing of the one who started the cloud but the search path."""
        function = self._function
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        return {
            **surroundings(),
            "LAMBDA_TASK_ROOT": str(self._ground.project),
            "LAMBDA_RUNTIME_DIR": str(Path(runtime.__file__).parent),
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{version}",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": self.stream,
            "_HANDLER": function.handler,
            **self._ground.environment,
            **function.environment,
        }

    def _read_log(self, printed: int) -> None:
        with os.fdopen(printed, "rb") as lines:
            for line in lines:
                self._ground.log(self._function.name, self.stream, line.decode(errors="replace").rstrip("\n"))


def no_room(error: OSError) -> Answer:
    """Say that the machine could make no worker."""
    return _error("Sandbox.Unavailable", f"No process could be started for the function: {error}")


def _error(kind: str, message: str) -> Answer:
    payload = json.dumps({"errorType": kind, "errorMessage": message}).encode()
    return Answer(payload, failed=True, alive=kind == "Function.ResponseSizeTooLarge")
