"""Large numbers, by counting and not by the clock: a million objects, ten thousand runs, a thousand pipelines."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chalicelib.aws import items
from chalicelib.aws.clients import Clients
from chalicelib.aws.records import Records
from chalicelib.events import UploadSeen
from chalicelib.flows import listing
from chalicelib.flows.comparing import compare
from chalicelib.model import DatasetState, Run, RunState, S3Object
from chalicelib.names import manifest_key
from chalicelib.ports import Bucket, Page
from tests.contracts.values import run, run_id
from tests.fakes.clock import FakeClock
from tests.fakes.world import SETTINGS
from tests.flows.yard import MNIST, TRAIN, Yard

MILLION = 1_000_000
FOLDER = f"datasets/{MNIST}/"
MEGABYTE = 1024 * 1024


class ServedBucket:
    """A bucket in which a dataset of a million files is made up as it is listed; what is written goes to disk."""

    def __init__(self, bucket: Bucket, disk: Path, objects: int = MILLION) -> None:
        self.bucket = bucket
        self.disk = disk
        self.objects = objects
        self.pages = 0
        self.etags: dict[int, str] = {}
        """Files that have another content by now; "" for one that is gone."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.bucket, name)

    def page(self, prefix: str, *, after: str = "", limit: int = 1000) -> Page[S3Object]:
        assert prefix in {FOLDER, f"{FOLDER}training/"}
        self.pages += 1
        start = int(after[-11:-4]) + 1 if after else 0
        end = min(start + limit, self.objects)
        found = tuple(self._object(number) for number in range(start, end) if self.etags.get(number) != "")
        return Page(found, found[-1].key if end < self.objects else None)

    def write(self, key: str, body: bytes, *, content_type: str = "application/json") -> None:
        self.write_long(key, [body], content_type=content_type)

    def write_long(self, key: str, pieces: Iterable[bytes], *, content_type: str = "application/json") -> None:
        with self._file(key).open("wb") as file:
            file.writelines(pieces)
        self.bucket.write(key, b"on disk", content_type=content_type)

    def read(self, key: str, *, limit: int | None = None) -> bytes:
        return self._file(key).read_bytes() if self._file(key).exists() else self.bucket.read(key, limit=limit)

    def read_from(self, key: str, start: int, *, limit: int) -> bytes:
        with self._file(key).open("rb") as file:
            file.seek(start)
            return file.read(limit)

    def _object(self, number: int) -> S3Object:
        etag = self.etags.get(number, "d41d8cd98f00b204e9800998ecf8427e")
        return S3Object(f"{FOLDER}training/{number // 1000:04}/{number:07}.png", 1000, etag, 1.0)

    def _file(self, key: str) -> Path:
        return self.disk / key.replace("/", "\\")


def served(disk: Path) -> tuple[Yard, ServedBucket]:
    yard = Yard()
    yard.pipeline(TRAIN)
    bucket = ServedBucket(yard.world.bucket, disk)
    yard.world.bucket = bucket  # type: ignore[assignment] # the port, with pages of its own
    yard.restart()
    return yard, bucket


def peak_of(step: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        step()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_million_objects_seal_and_are_compared_in_looks_of_bounded_memory(tmp_path: Path) -> None:
    yard, bucket = served(tmp_path)
    yard.batch([UploadSeen("m", f"{FOLDER}training/0999/0999999.png", 1000, yard.world.clock())])
    yard.world.clock.advance(121)
    saves, wakes = yard.world.count("records.save"), yard.world.count("timer.wake")
    looks, peaks, remembered = 0, [], 0
    while yard.dataset().state is DatasetState.COLLECTING:
        looks += 1
        if looks == 10:
            peaks.append(peak_of(yard.wake))  # one stands for all: measuring makes it five times slower
        else:
            yard.wake()
        remembered = max(remembered, len(items.machine_item(yard.dataset())["doc"]["S"]))
    sealed = yard.run()
    assert looks == MILLION / 1000 / listing.PAGES == 20
    assert bucket.pages == MILLION / 1000
    assert max(peaks) < 40 * MEGABYTE
    assert remembered < 4096
    assert yard.world.count("records.save") - saves == looks + 1, "each look the dataset once, the last the run too"
    assert yard.world.count("timer.wake") - wakes == looks - 1
    assert len([*tmp_path.iterdir()]) == (looks - 1) + len({"sealed.json", "training.manifest", "status"})
    manifest = json.loads(bucket.read(manifest_key("digits", sealed.id, "training")))
    assert len(manifest) == 1 + MILLION
    assert (manifest[0]["prefix"], manifest[-1]) == (f"s3://bucket/{FOLDER}training/", "0999/0999999.png")
    assert (sealed.channels[0].objects, sealed.channels[0].size) == (MILLION, 1000 * MILLION)
    bucket.etags |= {7: "another", 500_000: "", 999_999: ""}
    assert changes(yard, bucket, sealed) == ((7, 500_000, 999_999), 20)


def changes(yard: Yard, bucket: ServedBucket, sealed: Run) -> tuple[tuple[int, ...], int]:
    """Compare to the end; gives the numbers of the changed files, and how many looks that took."""
    port: Bucket = bucket  # type: ignore[assignment] # as above
    for number in range(1, 100):
        compared = compare(port, sealed, yard.world.clock)
        if compared.done:
            assert compared.count == len(compared.changed)
            return tuple(int(key[-11:-4]) for key in compared.changed), number
        sealed = replace(sealed, compared=compared)
    raise AssertionError("it never ends")
