"""Where a sweep over the bucket goes on: a cursor walks `pipelines/`, then `datasets/` folder by folder, and wraps."""

from __future__ import annotations

from dataclasses import dataclass

PIPELINES, DATASETS = "pipelines/", "datasets/"

_DEPTH = 2
"""Slashes of `datasets/<pipeline>/`, the deepest level that is walked."""


@dataclass(frozen=True, slots=True)
class Place:
    """A level of folders, and the last name that was looked at in it ("" before the first)."""

    level: str
    after: str = ""


def read_place(cursor: str) -> Place:
    """Read a cursor: the name looked at last, or a `datasets/<pipeline>/` to go into. Anything else starts afresh."""
    if cursor.startswith(DATASETS) and cursor.endswith("/") and cursor.count("/") == _DEPTH:
        return Place(cursor)
    level = f"{cursor.removesuffix('/').rpartition('/')[0]}/"
    walked = level in {PIPELINES, DATASETS} or (level.startswith(DATASETS) and level.count("/") == _DEPTH)
    return Place(level, cursor) if walked else Place(PIPELINES)


def behind(level: str) -> Place:
    """Say where the walk goes on when a level is done: `datasets/` follows `pipelines/` and each of its own folders."""
    return Place(DATASETS) if level == PIPELINES else Place(DATASETS, level)
