"""The wire between the workers and the cloud: every outgoing call passes here, is counted, and may be disturbed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

from tests.proof.cloud.requests import check

Act = Callable[[], Any]
_IDEMPOTENT = {"transact_write_items": "ClientRequestToken"}
"""Members that botocore fills by itself, once for all attempts of a call."""


class CrashError(BaseException):
    """The process died here. Not an Exception: a flow must not be able to outlive it by catching errors."""


@dataclass(frozen=True, slots=True)
class Call:
    number: int
    worker: str
    service: str
    method: str
    asked: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.service}.{self.method}"

    @property
    def changes(self) -> bool:
        """Tell whether it changes anything in the cloud."""
        return not self.method.startswith(("get_", "describe_", "list_", "head_", "query", "batch_get"))


class Disturbance(Protocol):
    """What goes wrong with one call."""

    def __call__(self, call: Call, act: Act) -> Any:
        """Do, or do not, what the call asks for, and answer or raise in its place."""


class Wire:
    def __init__(self) -> None:
        self.made = 0
        """How many calls were made, ever."""
        self.planned: dict[int, Disturbance] = {}
        """By the number of the call that meets it."""
        self.choose: Callable[[Call], Disturbance | None] | None = None
        """Chooses a disturbance by what a call is, not by its number."""
        self.met: list[Call] = []
        """The calls that met a disturbance."""
        self.log: list[Call] | None = None
        """Every call, where somebody wants to know."""
        self.before: Callable[[Call], None] | None = None
        """Called before each call: where workers take turns."""
        self.unknown: list[str] = []
        """Calls that this cloud does not know: a hole in the proof."""

    def call(self, worker: str, service: str, method: str, asked: dict[str, Any], act: Act) -> Any:
        self.made += 1
        call = Call(self.made, worker, service, method, asked)
        if self.log is not None:
            self.log.append(call)
        if self.before is not None:
            self.before(call)
        disturbance = self.planned.pop(call.number, None) if self.planned else None
        if disturbance is None and self.choose is not None:
            disturbance = self.choose(call)
        if disturbance is None:
            return act()
        self.met.append(call)
        return disturbance(call, act)


_tokens = count(1)


class Client:
    """A boto3 client of one service, for one worker."""

    def __init__(self, wire: Wire, worker: str, service: str, backend: Any) -> None:
        self._wire = wire
        self._worker = worker
        self._service = service
        self._backend = backend

    def __getattr__(self, method: str) -> Callable[..., Any]:
        try:
            act = getattr(self._backend, method)
        except AttributeError:
            self._wire.unknown.append(f"{self._service}.{method}")
            raise

        def called(**asked: Any) -> Any:
            if member := _IDEMPOTENT.get(method):
                asked.setdefault(member, f"token-{next(_tokens)}")
            check(self._service, method, asked)
            return self._wire.call(self._worker, self._service, method, asked, lambda: act(asked))

        self.__dict__[method] = called
        return called

    def generate_presigned_url(self, method: str, **asked: Any) -> str:
        """Sign a link, without a call."""
        params: dict[str, str] = asked["Params"]
        return f"https://{params['Bucket']}.test/{params['Key']}?X-Amz-Expires={asked['ExpiresIn']}&for={method}"

    def get_paginator(self, method: str) -> _Paginator:
        return _Paginator(getattr(self, method))


class _Paginator:
    """Pages through what always fits one page here."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def paginate(self, **asked: Any) -> Iterator[Any]:
        yield self._call(**asked)
