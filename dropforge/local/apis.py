"""botocore's descriptions of services: each is read once and in memory once, whoever in this process asks."""

from __future__ import annotations

import functools
import sys
from typing import Any

import botocore.loaders
import botocore.model
import botocore.session

_READ: dict[Any, Any] = {}
_TEXT = "documentation"
_create_loader = botocore.loaders.create_loader


def _loader(search_path_string: str | None = None) -> Any:
    """Make a loader that finds what others have read; who looks elsewhere, too, reads for himself."""
    made = _create_loader(search_path_string)
    if search_path_string is None:
        made._cache = _READ  # noqa: SLF001  each has a cache of its own, which nobody else can give it
    return made


def _compact(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build a JSON object whose strings are in memory once; a text for people is there, and empty."""
    intern = sys.intern
    return {
        intern(name): ("" if name == _TEXT else intern(value)) if type(value) is str else value for name, value in pairs
    }


@functools.cache
def service(name: str) -> Any:
    """Describe a service; tens of milliseconds and some megabytes the first time. UnknownServiceError for none."""
    return botocore.model.ServiceModel(_loader().load_service_model(name, "service-2"), name)


def share() -> None:
    """Let every session that is made from now on read them here: each would load its own.

    They are read into plain dictionaries (botocore's ordered ones take half as much memory again), without their texts
    for people and with each string once: a third less of what is left. `functions/runtime.py`, which may import nothing
    of ours, does the same for functions.
    """
    botocore.loaders.OrderedDict = _compact
    botocore.session.create_loader = _loader
