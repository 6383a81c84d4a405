"""What a check sends in the place of files: names, sizes and MD5 sums, as much of it as fits into one request."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from hashlib import md5
from pathlib import Path
from typing import Any

from dropforge.cli.drop import Drop
from dropforge.cli.push import Push

FILES = 5_000
"""Of the pipeline's folder, and of the dataset."""
NAMES = 400_000
"""Bytes of their names: the API takes a body of 1 MB."""
SUMMED = 256 * 2**20
"""Bytes of data that are read for their sums: a check is meant to take seconds."""
ONE_PART = 64 * 2**20
"""A larger file is uploaded in parts, and its ETag is no MD5 sum of its content."""
_TOML = "pipeline.toml"
_OVERRIDES = "run.toml"
_TOML_LIMIT = 256 * 2**10
_OVERRIDES_LIMIT = 64 * 2**10
"""A longer one is refused for its size, whatever it says."""

Sized = tuple[str, Path]


def folder(push: Push) -> dict[str, Any]:
    """Tell of a pipeline's folder."""
    files = [(key.removeprefix(push.prefix), path) for key, path in push.objects]
    toml = next(path for name, path in files if name == _TOML)
    told = list(_fitting(sorted(files, key=lambda each: each[0] != _TOML)))
    return {
        "name": push.pipeline,
        "toml": toml.read_bytes()[:_TOML_LIMIT].decode("utf-8", "replace"),
        "files": _with_sums(told),
        "count": len(files),
    }


def dataset(drop: Drop) -> dict[str, Any]:
    """Tell of a dataset: every channel's counts, and as many of its files as fit, the doubtful ones first."""
    single = drop.counts is None
    head = f"datasets/{drop.pipeline}/" if single else f"datasets/{drop.dataset}/"
    files = [(key.removeprefix(head), path) for key, path in drop.objects]
    overrides = next((path for name, path in files if name == _OVERRIDES and not single), None)
    told = list(_fitting(sorted(files, key=lambda each: (each[1].stat().st_size > 0, each[0] != _OVERRIDES))))
    whole = len(told) == len(files) and drop.size <= SUMMED
    return {
        "name": drop.name,
        "files": _with_sums(told) if whole else [[name, path.stat().st_size] for name, path in told],
        "channels": {"training": [1, drop.size]} if single else _counts(files),
        "single": single,
        "overrides": overrides.read_bytes()[:_OVERRIDES_LIMIT].decode("utf-8", "replace") if overrides else None,
    }


def _counts(files: Sequence[Sized]) -> dict[str, list[int]]:
    objects, sizes = Counter[str](), Counter[str]()
    for name, path in files:
        if "/" in name:
            channel = name.partition("/")[0]
            objects[channel] += 1
            sizes[channel] += path.stat().st_size
    return {channel: [objects[channel], sizes[channel]] for channel in sorted(objects)}


def _fitting(files: Iterable[Sized]) -> Iterator[Sized]:
    room = NAMES
    for number, (name, path) in enumerate(files):
        room -= len(json.dumps(name)) + 48
        if number >= FILES or room < 0:
            return
        yield name, path


def _with_sums(files: Iterable[Sized]) -> list[list[Any]]:
    return [_summed(name, path) for name, path in files]


def _summed(name: str, path: Path) -> list[Any]:
    size = path.stat().st_size
    if size >= ONE_PART:
        return [name, size]
    return [name, size, md5(path.read_bytes(), usedforsecurity=False).hexdigest()]
