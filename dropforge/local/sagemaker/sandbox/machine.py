"""How much of this machine a program may have where nobody says how much."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


@functools.cache
def memory() -> int | None:
    """Give three quarters of the machine's memory in bytes, or of our own where that is less; None where nobody knows.

    The rest is for the cloud, and for whoever else works on this machine.
    """
    try:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None
    return min([there, *own_limits(_GROUPS, _OWN)]) * 3 // 4


def own_limits(groups: Path, own: Path) -> Iterator[int]:
    """Find the limits of memory that hold for us: of our control group, and of all that it is part of."""
    for kind, place in _places(own):
        root, name = (groups, "memory.max") if kind == "" else (groups / "memory", "memory.limit_in_bytes")
        # What a container sees of its own group is the root; the path is its name elsewhere.
        for folder in {root, *(root / part for part in (place, *place.parents))}:
            if (limit := _number(folder / name)) is not None:
                yield limit


def _places(own: Path) -> Iterator[tuple[str, Path]]:
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, kind, place = line.split(":", 2)
        if kind in {"", "memory"}:  # the second version has one tree without a name
            yield kind, Path(place.lstrip("/"))


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # not there, or "max"
        return None
