"""Makes a local SageMaker go wrong on purpose, over HTTP.

with Faults(endpoint) as faults:
    faults.throttle("CreateTrainingJob", times=2)
    faults.fail("UpdateEndpoint", code="InternalFailure", after=1)
    faults.drop_events("SageMaker Training Job State Change")
    …  # what holds is ended with the block
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any, Self

_PATH = "/_dropforge/faults"
_WITHIN = 30.0


class FaultError(Exception):
    """The local cloud did not take a fault."""


class Faults:
    """The faults of one cloud, by its address. Each lets `after` through, disturbs `times` (None: all), and is spent.

    `match` narrows to requests, or details of events, that have these members with these values.
    """

    def __init__(self, endpoint: str) -> None:
        self._url = endpoint.rstrip("/") + _PATH

    def throttle(self, operation: str, **more: Any) -> None:
        """Answer as AWS does to somebody who asks too often."""
        self._add(operation=operation, does="throttle", **more)

    def fail(self, operation: str, **more: Any) -> None:
        """Answer with an error, and do nothing: `code`, `message` and `status` say which."""
        self._add(operation=operation, does="fail", **more)

    def delay(self, operation: str, seconds: float, **more: Any) -> None:
        """Let the call wait before it is carried out."""
        self._add(operation=operation, does="delay", seconds=seconds, **more)

    def lose_answer(self, operation: str, seconds: float = 60.0, **more: Any) -> None:
        """Carry the call out, and give no answer: a 504 after so many seconds, if the caller waits as long."""
        self._add(operation=operation, does="lose-answer", seconds=seconds, **more)

    def drop_events(self, kind: str = "*", **more: Any) -> None:
        """Never send an event of this detail type."""
        self._add(event=kind, does="drop", **more)

    def duplicate_events(self, kind: str = "*", **more: Any) -> None:
        self._add(event=kind, does="duplicate", **more)

    def hold_events(self, kind: str = "*", **more: Any) -> None:
        """Send an event after the one that follows it, or when the faults are cleared."""
        self._add(event=kind, does="hold", **more)

    def run_out_of_capacity(self, instance_type: str = "*", **more: Any) -> None:
        """Find no instance of this type for the next training, processing or transform job."""
        self._add(capacity=instance_type, **more)

    def interrupt(self, job: str) -> None:
        """Take the instances of a training job away; FaultError where it does not run."""
        self._call("POST", {"job": job}, "/interruptions")

    def all(self) -> list[dict[str, Any]]:
        """Tell the faults that hold, with how often each has `seen` what it names, and `done` its deed."""
        return list(self._call("GET")["faults"])

    def clear(self) -> None:
        """End all of them; events that are held are sent."""
        self._call("DELETE")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def _add(self, **rule: Any) -> None:
        self._call("POST", {"faults": [rule]})

    def _call(self, method: str, body: Any = None, path: str = "") -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data=data, method=method)  # noqa: S310  the given address
        try:
            with urllib.request.urlopen(request, timeout=_WITHIN) as answer:  # noqa: S310  see above
                return dict(json.loads(answer.read()))
        except urllib.error.HTTPError as refused:
            with refused:
                raise FaultError(json.loads(refused.read())["message"]) from refused
