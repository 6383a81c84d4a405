"""Drop a dataset: its files one object at a time, then `_READY` with the counts, so that it seals at once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dropforge.cli.bucket import Bucket, check_pipeline, files_under
from dropforge.cli.errors import UsageError

READY = "_READY"
_CHANNELS = "drop a folder that holds training/ (and evaluation/, if the pipeline wants it) with the files in them"
_RUN_FILE = "run.toml"
_PACKED = (".gz", ".bz2", ".xz", ".zst")
_PACKABLE = (".tar", ".csv", ".tsv", ".json", ".jsonl", ".txt", ".libsvm", ".pkl", ".npy", ".parquet")


@dataclass(frozen=True, slots=True)
class Drop:
    """What to upload, in order. `counts` is None for a dataset that is one object: it needs no `_READY`."""

    pipeline: str
    name: str
    objects: tuple[tuple[str, Path], ...]
    counts: Mapping[str, int] | None

    @property
    def dataset(self) -> str:
        return f"{self.pipeline}/{self.name}"

    @property
    def last_key(self) -> str:
        return self.objects[-1][0] if self.counts is None else f"datasets/{self.dataset}/{READY}"

    @property
    def size(self) -> int:
        return sum(path.stat().st_size for _, path in self.objects)


def plan_drop(pipeline: str, path: Path, name: str | None) -> Drop:
    """Name what to upload for a folder of channels, or for one file that is a whole dataset."""
    check_pipeline(pipeline)
    if path.is_file():
        stem, extension = _split(path.name)
        chosen = _check_name(name or stem)
        return Drop(pipeline, chosen, ((f"datasets/{pipeline}/{chosen}{extension}", path),), None)
    if not path.is_dir():
        raise UsageError(f"There is no file or folder {path}.")
    return _plan_folder(pipeline, path, _check_name(name or path.resolve().name))


def upload(bucket: Bucket, drop: Drop) -> Iterator[str]:
    """Upload a plan; yields each key as it is done, `_READY` last."""
    for key, path in drop.objects:
        bucket.put_file(key, path)
        yield key
    if drop.counts is not None:
        bucket.put(drop.last_key, json.dumps(dict(drop.counts)).encode(), "application/json")
        yield drop.last_key


def _plan_folder(pipeline: str, folder: Path, name: str) -> Drop:
    files = [(path.relative_to(folder).as_posix(), path) for path in files_under(folder)]
    files = [(key, path) for key, path in files if key != READY]
    loose = [key for key, _ in files if "/" not in key and key != _RUN_FILE]
    if loose:
        raise UsageError(f"{folder / loose[0]} lies in no channel: {_CHANNELS}.")
    counts = Counter(key.split("/", 1)[0] for key, _ in files if "/" in key)
    if not counts:
        raise UsageError(f"{folder} holds no files: {_CHANNELS}.")
    prefix = f"datasets/{pipeline}/{name}/"
    return Drop(pipeline, name, tuple((prefix + key, path) for key, path in files), dict(sorted(counts.items())))


def _split(name: str) -> tuple[str, str]:
    path = Path(name)
    inner = Path(path.stem)
    if path.suffix.lower() in _PACKED and inner.suffix.lower() in _PACKABLE:
        return inner.stem, inner.suffix + path.suffix
    if not path.suffix:
        raise UsageError(f"{name} has no extension: a single file is a dataset only with one (.zip, .csv, .npz, …).")
    return path.stem, path.suffix


def _check_name(name: str) -> str:
    if not name or "/" in name or name.startswith("."):
        raise UsageError(
            f"{name!r} cannot name a dataset: no slashes, and no dot at its start; choose one with --name."
        )
    return name
