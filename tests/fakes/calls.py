"""Records every call that a flow makes on a port, and lets a chosen one fail: so a test can crash at each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

Port = TypeVar("Port")
OWN_MEMORY = frozenset({"unsent"})
"""What asks a process's own memory goes nowhere: it is no call."""


class CrashError(BaseException):
    """The process died here. Not an Exception: a flow must not be able to outlive it by catching errors."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call on a port, as it was made."""

    port: str
    method: str
    args: tuple[Any, ...] = ()
    kwargs: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        return f"{self.port}.{self.method}"


@dataclass(frozen=True, slots=True)
class Fault:
    after: bool
    error: Callable[[], BaseException]


@dataclass(slots=True)
class Calls:
    """The log of all calls on all ports of a world, in order, and the faults that are planted ahead of it."""

    log: list[Call] = field(default_factory=list)
    faults: dict[int, Fault] = field(default_factory=dict)

    def fail_at(self, number: int, *, after: bool, error: Callable[[], BaseException]) -> None:
        self.faults[len(self.log) + number] = Fault(after, error)

    def make(self, call: Call, act: Callable[[], Any]) -> Any:
        self.log.append(call)
        fault = self.faults.pop(len(self.log), None)
        if fault and not fault.after:
            raise fault.error()
        outcome = act()
        if fault:
            raise fault.error()
        return outcome


class _Recorded:
    """Stands before a fake; the methods of its port pass through the log, everything else goes straight to the fake."""

    def __init__(self, calls: Calls, name: str, fake: Any, methods: frozenset[str]) -> None:
        object.__setattr__(self, "_parts", (calls, name, fake, methods))

    def __getattr__(self, attribute: str) -> Any:
        calls, name, fake, methods = object.__getattribute__(self, "_parts")
        found = getattr(fake, attribute)
        if attribute not in methods:
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            given = calls.make(
                Call(name, attribute, args, tuple(sorted(kwargs.items()))), lambda: found(*args, **kwargs)
            )
            # A port that a port gives is recorded as it is: another bucket.
            return _Recorded(calls, name, given, methods) if type(given) is type(fake) else given

        return call

    def __setattr__(self, attribute: str, value: Any) -> None:
        setattr(object.__getattribute__(self, "_parts")[2], attribute, value)


def recorded(calls: Calls, name: str, fake: Port, port: type[Any]) -> Port:
    """Give the fake back with each method of its port recorded."""
    methods = frozenset(key for key, value in vars(port).items() if callable(value) and not key.startswith("_"))
    methods -= OWN_MEMORY
    return cast("Port", _Recorded(calls, name, fake, methods))
