"""One operation of the local cloud: who performs it, and which members of its request mean something here.

A member that is not named in `unused` or `refused` is honoured: checked, kept, told by Describe, and acted upon. A path
names a member as the request spells it (`InputDataConfig[].DataSource.FileSystemDataSource`); `path=value` means one of
its values alone. The tables of docs/local-sagemaker.md are these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dropforge.local.sagemaker.errors import ValidationError

Perform = Callable[[Mapping[str, Any]], Mapping[str, Any]]
_EACH = "[]"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the members of one operation mean, where another than an `Operation` performs it."""

    unused: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """`unused` and `refused` give, by path, what a person is told of it: a phrase that goes on after "because"."""

    perform: Perform
    unused: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Perform it; ValidationException where the request asks for what is refused."""
        for path, why in self.refused.items():
            asked, _, value = path.partition("=")
            for found in values(request, asked):
                if value == str(found) if value else _asks(found):
                    raise ValidationError(refusal(path, why))
        return self.perform(request)


def refusal(path: str, why: str) -> str:
    """Word the refusal of a member."""
    asked, _, value = path.partition("=")
    told = f"{asked} {value}" if value else asked
    return f"{told} is not in the local cloud: {why}."


def values(given: Any, path: str) -> Iterator[Any]:
    """Find what a request has at a path: nothing, one value, or one of each element of a list."""
    first, _, rest = path.partition(".")
    name = first.removesuffix(_EACH)
    if not isinstance(given, Mapping) or given.get(name) is None:
        return
    for part in given[name] if first.endswith(_EACH) else [given[name]]:
        if rest:
            yield from values(part, rest)
        else:
            yield part


def _asks(found: Any) -> bool:
    """Tell whether a value asks for anything: a switch that is off, or an empty list, does not."""
    return found is not False and found not in ({}, [], "")
