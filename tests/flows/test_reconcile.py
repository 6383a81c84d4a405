"""The schedule alone finishes everything, one failing item stops no other, and what a tick reads is bounded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from chalicelib.flows.outbox import MOST
from chalicelib.flows.reconcile import ALIVE, ITEMS, SECONDS
from chalicelib.model import Dataset, DatasetId, DatasetState, PipelineRecord, Release, Run, RunState
from tests.fakes.calls import CrashError
from tests.flows.yard import FIRST, MNIST, SECOND, Yard


def reads(yard: Yard) -> tuple[int, int]:
    return yard.world.records.reads, yard.world.bucket.reads


def cost_of_a_tick(yard: Yard) -> tuple[int, int]:
    before = reads(yard)
    yard.reconcile.tick()
    return reads(yard)[0] - before[0], reads(yard)[1] - before[1]


def with_finished_runs(number: int) -> Yard:
    yard = Yard()
    yard.pipeline()
    for each in range(number):
        name = DatasetId("digits", f"d{each:05}")
        run = Run(f"v1{each:012x}", "digits", name, "v", "d", 1, each, RunState.REGISTERED, told="registered")
        yard.world.records.save(run)
        yard.world.records.save(Dataset(name, DatasetState.SEALED, run=run.id, first_seen=each, told="sealed"))
        yard.world.records.point(run.id, name)
    return yard


def fails(error: BaseException) -> Callable[..., None]:
    def step(*_: object) -> None:
        raise error

    return step


def test_with_every_event_dropped_the_schedule_alone_seals() -> None:
    yard = Yard()
    yard.pipeline()
    yard.put(FIRST, told=False)
    yard.put(SECOND, told=False)
    yard.put("datasets/digits/single.csv", told=False)
    yard.tick(6)
    assert yard.dataset().state is DatasetState.SEALED
    assert yard.dataset(DatasetId("digits", "single")).state is DatasetState.SEALED
    assert len(yard.all_runs()) == 2
    assert set(yard.runs.advanced) == {run.id[2:14] for run in yard.all_runs()}


def test_with_every_event_dropped_files_that_still_arrive_are_waited_for() -> None:
    yard = Yard()
    yard.pipeline()
    for number in range(5):
        yard.put(f"datasets/digits/mnist/training/{number}.png", told=False)
        yard.tick()
    yard.tick(6)
    assert [run.channels[0].objects for run in yard.all_runs()] == [5]


def test_a_wake_up_that_never_comes_costs_minutes_not_the_run() -> None:
    yard = Yard()
    yard.pipeline()
    yard.put(FIRST)
    yard.deliver()
    yard.world.timer.pending.clear()
    yard.tick(4)
    assert yard.dataset().state is DatasetState.SEALED


def test_every_kind_that_is_due_is_advanced() -> None:
    yard = Yard()
    now = yard.world.clock()
    yard.world.records.save(PipelineRecord("digits", due=now))
    yard.world.records.save(Run("v1" + "a" * 64, "digits", MNIST, "v", "d", 1, now, due=now))
    yard.world.records.save(Dataset(MNIST))
    yard.world.records.point("v1" + "a" * 64, MNIST)
    yard.world.records.save(Release("letters", due=now))
    asked: list[str] = []
    yard.releases.advance = asked.append  # type: ignore[method-assign,assignment] # a release machine that only listens
    yard.reconcile.tick()
    assert yard.pipelines.advanced == ["digits"]
    assert yard.runs.advanced == ["a" * 12]
    assert asked == ["letters"]
    assert yard.releases.sweeps == 1


def test_a_run_made_from_files_of_long_ago_by_a_worker_that_stood_still_never_starts() -> None:
    yard = Yard()
    now = yard.world.clock()
    newer = Dataset(MNIST, DatasetState.SEALED, run="v1" + "b" * 64, first_seen=now, told="sealed")
    yard.world.records.save(newer)
    stale = yard.world.records.save(Run("v1" + "a" * 64, "digits", MNIST, "v", "d", 1, now, due=now))
    yard.tick()
    assert yard.runs.advanced == []
    yard.world.records.point(stale.id, MNIST)
    yard.tick()
    found = yard.world.records.run(stale.id)
    assert found is not None
    assert found.superseded


def test_what_is_not_due_yet_is_left_alone() -> None:
    yard = Yard()
    yard.world.records.save(PipelineRecord("digits", due=yard.world.clock() + 1))
    yard.reconcile.tick()
    assert yard.pipelines.advanced == []


def test_one_failing_item_stops_no_other_and_starves_none() -> None:
    yard = Yard()
    now = yard.world.clock()
    yard.world.records.save(Dataset(MNIST))
    for each in range(ITEMS * 2):
        run = Run(f"v1{each:012x}" + "0" * 52, "digits", MNIST, "v", "d", 1, now, due=now - 1000 + each / 10)
        yard.world.records.save(run)
        yard.world.records.point(run.id, MNIST)
    healthy = f"{ITEMS * 2 - 1:012x}"
    asked: list[str] = []

    def advance(run12: str) -> None:
        asked.append(run12)
        if run12 != healthy:
            raise RuntimeError(run12)

    yard.runs.advance = advance  # type: ignore[method-assign] # a machine with poison in it
    yard.tick(2)
    assert healthy in asked
    assert len(asked) == ITEMS * 2, "each once: a failing one is put off"
    yard.tick(4)
    assert len(asked) > ITEMS * 2, "and tried again"


def test_while_a_tick_is_at_work_the_next_leaves_all_that_is_due_to_it_and_puts_nothing_off() -> None:
    yard = Yard()
    slow = yard.world.records.save(PipelineRecord("slow", due=yard.world.clock() - 100))
    yard.world.records.save(PipelineRecord("fine", due=yard.world.clock() - 50))
    begun = yard.pipelines.advance
    seen: list[tuple[str, ...]] = []

    def at_work(name: str) -> None:
        """Let the next minute's tick go by while this one is at its first item."""
        if name == "slow" and not seen:
            yard.reconcile.tick()
            seen.append(tuple(yard.pipelines.advanced))
        begun(name)

    yard.pipelines.advance = at_work  # type: ignore[method-assign] # the fake's own, with a tick in between
    yard.reconcile.tick()
    assert seen == [()]
    assert yard.pipelines.advanced == ["slow", "fine"]
    assert yard.world.records.pipeline("slow") == slow


def test_an_item_that_kills_the_process_is_put_off_once_that_is_sure(caplog: pytest.LogCaptureFixture) -> None:
    yard = Yard()
    now = yard.world.clock()
    yard.world.records.save(PipelineRecord("deadly", last_seen=now, due=now - 100))
    yard.world.records.save(PipelineRecord("fine", due=now - 50))
    harmless = yard.pipelines.advance
    yard.pipelines.advance = fails(CrashError())  # type: ignore[method-assign] # it dies at whatever comes first
    with pytest.raises(CrashError):
        yard.reconcile.tick()
    yard.pipelines.advance = harmless  # type: ignore[method-assign] # the next process
    yard.restart()
    yard.reconcile.tick()
    assert yard.pipelines.advanced == [], "who knows that it is dead?"
    yard.world.clock.advance(ALIVE)
    yard.reconcile.tick()
    assert yard.pipelines.advanced == ["fine"]
    put_off = yard.world.records.pipeline("deadly")
    assert put_off is not None
    assert put_off.due is not None
    assert put_off.due > yard.world.clock()
    (line,) = (vars(line) for line in caplog.records)
    assert (line["step"], line["outcome"], line["pipeline"]) == ("reconcile", "failed", "deadly")
    assert "deadly" not in yard.pipelines.advanced
    yard.tick(5)
    assert "deadly" in yard.pipelines.advanced


def test_a_failing_sweep_or_rehearsal_page_stops_nothing() -> None:
    yard = Yard()
    yard.world.records.save(PipelineRecord("digits", due=yard.world.clock()))
    yard.releases.sweep_rehearsals = fails(RuntimeError())  # type: ignore[method-assign,assignment] # SageMaker is away
    yard.put(FIRST, told=False)
    yard.reconcile.tick()
    assert yard.pipelines.advanced == ["digits"]
    assert yard.world.records.dataset(MNIST) is not None


def test_a_tick_that_runs_out_of_time_leaves_the_rest_to_the_next() -> None:
    yard = Yard()
    now = yard.world.clock()
    for name in ("a", "b", "c"):
        yard.world.records.save(PipelineRecord(name, due=now))
    asked: list[str] = []

    def slow(name: str) -> None:
        asked.append(name)
        record = yard.world.records.pipeline(name)
        assert record is not None
        yard.world.records.save(replace(record, due=None))
        yard.world.clock.advance(SECONDS * 3 / 4)

    yard.pipelines.advance = slow  # type: ignore[method-assign] # most of a tick for each
    yard.reconcile.tick()
    assert len(asked) == 2
    yard.reconcile.tick()
    assert sorted(asked) == ["a", "b", "c"]


def test_a_tick_with_ten_thousand_finished_runs_reads_as_much_as_with_ten() -> None:
    assert cost_of_a_tick(with_finished_runs(10_000)) == cost_of_a_tick(with_finished_runs(10))


def test_what_a_tick_reads_is_bounded_however_much_is_open_and_however_much_lies_in_the_bucket() -> None:
    yard = with_finished_runs(0)
    for each in range(ITEMS * 3):
        yard.put(f"datasets/digits/d{each:05}/training/a.png", str(each))
        yard.put(f"pipelines/p{each}/pipeline.toml", told=False)
    yard.deliver()
    yard.world.timer.pending.clear()
    yard.world.clock.advance(500)
    yard.reconcile.tick()
    yard.world.clock.advance(60)
    listed = yard.world.count("bucket.page") + yard.world.count("bucket.prefixes")
    table, bucket = cost_of_a_tick(yard)
    pages = yard.world.count("bucket.page") + yard.world.count("bucket.prefixes") - listed
    sealed_in_a_tick = ITEMS * 2  # each listed once, and once more for single objects of its name
    assert pages <= 10 + sealed_in_a_tick
    assert table <= 100 + 40 * ITEMS + MOST  # thousands of events wait, too: no handler has sent any
    assert bucket <= 100 + 10 * ITEMS
