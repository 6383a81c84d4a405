"""Large numbers, by counting and not by the clock: a million objects, ten thousand runs, a thousand pipelines."""

from __future__ import annotations

import json
import tracemalloc
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chalicelib.aws import items
from chalicelib.aws.clients import Clients
from chalicelib.aws.listing import MONTHS
from chalicelib.aws.records import Records
from chalicelib.events import UploadSeen
from chalicelib.flows import listing, reconcile
from chalicelib.flows.comparing import compare
from chalicelib.flows.versions import Content, Versions
from chalicelib.model import (
    Approval,
    Candidate,
    Dataset,
    DatasetId,
    DatasetState,
    PipelineRecord,
    Release,
    ReleaseStage,
    Run,
    RunState,
    S3Object,
    Target,
)
from chalicelib.names import manifest_key
from chalicelib.pipeline import parse
from chalicelib.pipeline.sourcedir import pack
from chalicelib.ports import Bucket, PackageRequest, Page
from chalicelib.wiring import Flows
from tests.contracts.values import run, run_id
from tests.contracts.worlds import ensure, training_job
from tests.fakes.clock import FakeClock
from tests.fakes.world import SETTINGS, World
from tests.flows.yard import MNIST, TRAIN, Yard

ROOT = Path(__file__).parents[2]
MILLION = 1_000_000
WAKE_BATCH = 10
"""Messages that app.py lets one invocation of on_wake have."""
FOLDER = f"datasets/{MNIST}/"
MEGABYTE = 1024 * 1024
PEAK = 40 * MEGABYTE
"""What a look may need beside what was there before it; the functions that look have 1,024 MB."""
TARGET = Target("d", "v1" + "a" * 64, "v", "arn", 1, "m", "c", {}, (), (1.0, 1.0), "run")


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
    looks, remembered, peaks = 0, 0, dict[int, int]()
    while yard.dataset().state is DatasetState.COLLECTING:
        looks += 1
        if looks in {10, 20}:  # one that lists, and the last, which freezes: measuring makes it five times slower
            peaks[looks] = peak_of(yard.wake)
        else:
            yard.wake()
        remembered = max(remembered, len(items.machine_item(yard.dataset())["doc"]["S"]))
    sealed = yard.run()
    assert looks == MILLION / 1000 / listing.PAGES == 20
    assert bucket.pages == MILLION / 1000
    assert [*peaks] == [10, 20]
    assert max(peaks.values()) < PEAK
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
    port: Bucket = bucket
    for number in range(1, 100):
        if number == 10:
            assert peak_of(partial(compare, port, sealed, yard.world.clock)) < PEAK
        compared = compare(port, sealed, yard.world.clock)
        if compared.done:
            assert compared.count == len(compared.changed)
            return tuple(int(key[-11:-4]) for key in compared.changed), number
        sealed = replace(sealed, compared=compared)
    raise AssertionError("it never ends")


class Table:
    """DynamoDB as far as lists ask it: the items of one index partition in order, and what reading them costs."""

    def __init__(self, found: Iterable[items.Item]) -> None:
        self.queries = 0
        self.items = 0
        self.partitions: dict[str, list[items.Item]] = {}
        for item in found:
            for index in ("of_pipeline", "month"):
                self.partitions.setdefault(item[index]["S"], []).append(item)
        for partition in self.partitions.values():
            partition.sort(key=_order, reverse=True)

    def query(self, **asked: Any) -> dict[str, Any]:
        self.queries += 1
        assert asked["ScanIndexForward"] is False
        found = self.partitions.get(asked["ExpressionAttributeValues"][":partition"]["S"], [])
        start = asked.get("ExclusiveStartKey")
        first = bisect_right(found, _descending(start), key=_descending) if start else 0
        given = found[first : first + asked["Limit"]]
        self.items += len(given)
        return {"Items": given} | ({"LastEvaluatedKey": given[-1]} if first + len(given) < len(found) else {})


def _order(item: items.Item) -> tuple[str, str]:
    return item["created"]["S"], item["pk"]["S"]


def _descending(item: items.Item) -> tuple[list[int], list[int]]:
    return tuple([-ord(sign) for sign in text] for text in _order(item))  # type: ignore[return-value] # of two


@pytest.mark.parametrize("pipeline", ["digits", None])
def test_ten_thousand_runs_are_listed_page_by_page_at_constant_reads(pipeline: str | None) -> None:
    now, day = 1_799_000_000.0, 86_400.0
    ages = [number * 180 * day / 10_000 for number in range(10_000)]  # over half a year
    table = Table(items.machine_item(run(number, created_at=now - age)) for number, age in enumerate(ages))
    records = Records(SETTINGS, Clients("us-east-1", lambda *_, **__: table), FakeClock(now))
    costs, found, after = [], 0, None
    while True:
        queries, read = table.queries, table.items
        page = records.runs(pipeline=pipeline, after=after, limit=50)
        costs.append((table.queries - queries, table.items - read))
        assert [it.id for it in page.items] == [run_id(number) for number in range(found, found + 50)]
        found, after = found + len(page.items), page.next
        if after is None:
            break
    assert found == 10_000
    assert len(costs) == 200
    asked, given = (sorted(each) for each in zip(*costs[:-1], strict=True))
    months = 0 if pipeline else 7  # where one ends, the page goes on in the next
    assert given[: -months or None] == [51] * (199 - months)
    assert asked[: -months or None] == [1] * (199 - months)
    assert given[-1] <= 2 * 51
    assert asked[-1] <= 2
    assert costs[-1][0] <= (1 if pipeline else MONTHS), "the last looks for more, as far back as a list goes"


SECONDS = {
    "records": 0.010,
    "timer": 0.010,
    "bus": 0.020,
    "bucket": 0.030,
    "jobs": 0.080,
    "hosting": 0.080,
    "registry": 0.080,
}
"""What one call is taken to cost; AWS answers sooner than that, mostly."""
FUNCTION = 600.0
"""Seconds that the reconcile function has."""


CALLS = 16
"""That one pipeline with something open needs at most, with its share of what a tick reads anyway."""


class Timed:
    """A port whose calls are counted, and take their time."""

    def __init__(self, port: Any, clock: FakeClock, seconds: float, made: Counter[float]) -> None:
        self.__dict__ |= {"port": port, "clock": clock, "seconds": seconds, "made": made}

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.port, name)
        if not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            self.made[self.seconds] += 1
            self.clock.advance(self.seconds)
            return found(*args, **kwargs)

        return call


NAMES = tuple(f"p{number:03}" for number in range(1000))


def waiting_to_be_announced(world: World, now: float, names: Sequence[str]) -> None:
    versions = Versions(world.bucket)
    code = pack([("train.py", b"print()")])
    content = Content(TRAIN.encode(), parse(TRAIN), code, code, ())
    for name in names:
        version = versions.freeze(name, content, now)
        world.records.save(PipelineRecord(name, version=version.digest, accepted_at=now, due=now))
        world.records.save(Release(name))


def training(world: World, now: float, names: Sequence[str]) -> None:
    for number, name in enumerate(names):
        job = training_job(world.settings.names.job(name, run_id(number), 0, 1), "bucket", {})
        world.bucket.put("input/training.manifest", b"[]")
        world.jobs.start(job)
        candidate = Candidate(job.name, request=job.request, status="InProgress")
        made = replace(run(number, name), state=RunState.TRAINING, candidate=candidate, due=now)
        world.records.save(made)
        world.records.point(made.id, made.dataset)
        world.records.save(Dataset(made.dataset, DatasetState.SEALED, run=made.id))


def awaiting_a_person(world: World, now: float, names: Sequence[str]) -> None:
    """Runs whose packages nobody has approved: SageMaker's registry is asked for each."""
    for number, name in enumerate(names):
        asked = PackageRequest(name, run_id(number), "image", "s3://b/k", {}, (), {}, None, approved=False, note="")
        package = world.registry.register(asked)
        made = replace(run(number, name), state=RunState.REGISTERED, approval=Approval.PENDING, package=package.arn)
        world.records.save(replace(made, ended_at=now - 300, due=now))
        world.records.point(made.id, made.dataset)
        world.records.save(Dataset(made.dataset, DatasetState.SEALED, run=made.id))


def rehearsing(world: World, now: float, names: Sequence[str]) -> None:
    world.bucket.put("models/model.tar.gz", b"weights")
    for name in names:
        target = replace(TARGET, config=f"c-{name}", model=f"c-{name}-m", digest=f"{name}{'0' * 60}")
        ensure(world.hosting, target.config, "bucket", {})
        world.hosting.create_endpoint(world.settings.names.rehearsal(name, target.digest), target.config)
        release = Release(name, stage=ReleaseStage.REHEARSING, desired=target, stage_since=now, due=now, attempts=1)
        world.records.save(release)


def collecting(world: World, now: float, names: Sequence[str]) -> None:
    """Datasets whose uploads in parts are still open."""
    waiting_to_be_announced(world, now, names)
    for name in names:
        record = world.records.pipeline(name)
        assert record is not None
        world.records.save(replace(record, released=record.version, due=None))
        world.bucket.begin_upload(f"datasets/{name}/d/training/a")
        world.records.save(Dataset(DatasetId(name, "d"), first_seen=now - 500, last_seen=now - 500, due=now))


OPEN = (waiting_to_be_announced, training, rehearsing, collecting)


def all_at_once(world: World, now: float, names: Sequence[str]) -> None:
    """Of each kind so many, each pipeline with one."""
    for number, fill in enumerate(OPEN):
        fill(world, now, names[number :: len(OPEN)])
    assert all(world.records.due(kind, now, limit=1) for kind in reconcile.KINDS)


@pytest.mark.parametrize("fill", [*OPEN, awaiting_a_person, all_at_once])
def test_a_thousand_pipelines_are_reconciled_within_one_functions_time(
    fill: Callable[[World, float, Sequence[str]], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Each with something open: one tick does them all, and each minute another begins, which leaves it alone."""
    world = World()
    begun = world.clock()
    fill(world, begun, NAMES)
    kinds = [kind for kind in reconcile.KINDS if world.records.due(kind, begun, limit=1)]
    made: Counter[float] = Counter()
    for port, seconds in SECONDS.items():
        setattr(world, port, Timed(getattr(world, port), world.clock, seconds, made))
    Flows(world).reconcile.tick()
    assert not [kind for kind in kinds if world.records.due(kind, begun, limit=1)]
    print(f"{fill.__name__}: {made.total() / len(NAMES):.1f} calls each, {world.clock() - begun:.0f} s")  # noqa: T201  what docs/reliability.md tells
    assert world.clock() - begun < FUNCTION
    assert made.total() / len(NAMES) < CALLS
    assert {record.levelname for record in caplog.records} == {"INFO"}, "nothing was put off"


def test_a_batch_of_looks_ends_before_its_function_does() -> None:
    functions = json.loads((ROOT / ".chalice" / "config.json").read_text())["stages"]["prod"]["lambda_functions"]
    assert functions["on_wake"]["lambda_timeout"] > WAKE_BATCH * listing.SECONDS
    assert reconcile.SECONDS + listing.SECONDS < functions["reconcile"]["lambda_timeout"] == FUNCTION
