"""What a pipeline's folder must hold for its file to mean something. Keys are relative to it, sizes in bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from chalicelib.pipeline.refusals import Place
from chalicelib.pipeline.schema import Pipeline

SOURCE_FILES = 5_000
SOURCE_BYTES = 250 * 1024**2
PAYLOAD_BYTES = 5 * 1024**2

_UNUSABLE = re.compile(r"(^|/)(\.{0,2})(/|$)|[\x00-\x1f\x7f\\]")
_COMPILED = re.compile(r"(^|/)__pycache__/")
"""Python makes these anew, and never the same twice."""

Found = Iterator[tuple[Place, str]]


def source_files(source_dir: str, files: Mapping[str, int]) -> list[str]:
    """Name the files of a source folder, in the order of the archive."""
    return sorted(key for key in files if key.startswith(f"{source_dir}/") and not _COMPILED.search(key))


def absent(pipeline: Pipeline, files: Mapping[str, int]) -> Found:
    """Name what the file speaks of and the folder does not hold, or holds too much of."""
    train, serve = pipeline.train, pipeline.serve
    yield from _source("train", train.source_dir, train.entry_point, files)
    both = {*source_files(train.source_dir, files), *source_files(pipeline.serving_source_dir, files)}
    if len(both) > SOURCE_FILES:
        yield (
            ("train", "source_dir"),
            f"must hold at most {SOURCE_FILES} files, serving code included; there are {len(both)}",
        )
    elif (size := sum(files[key] for key in both)) > SOURCE_BYTES:
        yield (
            ("train", "source_dir"),
            f"must hold at most {SOURCE_BYTES} bytes, serving code included; there are {size}",
        )
    if serve.source_dir or serve.entry_point:
        yield from _source("serve", pipeline.serving_source_dir, pipeline.serving_entry_point, files)
    for number, test in enumerate(pipeline.deploy.smoke_test if pipeline.deploy else ()):
        yield from _payload(("deploy", "smoke_test", number, "payload"), test.payload, files)


def _source(table: str, source_dir: str, entry_point: str, files: Mapping[str, int]) -> Found:
    if not source_dir:
        return
    found = source_files(source_dir, files)
    if not found:
        yield (table, "source_dir"), f"must hold the code, but there is no file under {source_dir}/"
        return
    if entry_point and f"{source_dir}/{entry_point}" not in files:
        yield (table, "entry_point"), f"must be one of the files in {source_dir}/; {entry_point} is not there"
    if (bad := next((key for key in found if _UNUSABLE.search(key)), None)) is not None:
        yield (table, "source_dir"), f"must hold files that an archive can hold, which this is not: {bad!r}"
    elif (both := _file_and_folder(found)) is not None:
        yield (table, "source_dir"), f"must not hold a file that is a folder, too: {both}"


def _file_and_folder(keys: list[str]) -> str | None:
    names = set(keys)
    folders = {key[:end] for key in keys for end in range(len(key)) if key[end] == "/"}
    return min(names & folders, default=None)


def _payload(place: Place, payload: str, files: Mapping[str, int]) -> Found:
    size = files.get(payload)
    if size is None:
        yield place, f"must be a file in the pipeline's folder; {payload} is not there"
    elif not 0 < size <= PAYLOAD_BYTES:
        yield place, f"must be a file of 1 to {PAYLOAD_BYTES} bytes; {payload} has {size}"
