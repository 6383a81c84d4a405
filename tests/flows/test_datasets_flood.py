"""Ten thousand files are one run, and cost a few hundred calls."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.model import DatasetId, DatasetState
from tests.flows.yard import MNIST, Yard


def test_ten_thousand_objects_are_one_run_for_a_few_hundred_invocations_and_writes() -> None:
    yard = Yard()
    yard.pipeline()
    started = yard.world.records.writes, yard.world.bucket.writes, yard.world.records.reads, yard.world.bucket.reads
    for number in range(10_000):
        yard.put(f"datasets/digits/mnist/training/{number % 10}/{number}.png", str(number))
        if number % 250 == 249:  # as a person's upload is slower than S3's events
            yard.deliver(batch=100)
            yard.world.clock.advance(2)
            yard.wake()
    yard.wait(200)
    assert yard.dataset().state is DatasetState.SEALED
    assert [run.channels[0].objects for run in yard.all_runs()] == [10_000]
    assert yard.batches + yard.wakes <= 300
    ended = yard.world.records.writes, yard.world.bucket.writes, yard.world.records.reads, yard.world.bucket.reads
    table, bucket, table_reads, bucket_reads = (after - before for before, after in zip(started, ended, strict=True))
    assert table <= 200
    assert bucket <= 10
    assert table_reads <= 500
    assert bucket_reads <= 60
    assert yard.world.count("timer.wake") <= 10


def test_one_wake_up_is_under_way_for_a_dataset_however_many_batches_come() -> None:
    yard = Yard()
    yard.pipeline()
    for number in range(200):
        yard.put(f"datasets/digits/mnist/training/{number}.png")
    yard.deliver(batch=10)
    assert len(yard.world.timer.pending) == 1


def test_a_batch_with_many_datasets_saves_each_once() -> None:
    yard = Yard()
    yard.pipeline()
    saved = yard.world.count("records.save")
    for number in range(100):
        yard.put(f"datasets/digits/d{number % 10}/training/{number}.png")
    yard.deliver(batch=100)
    assert yard.world.count("records.save") - saved == 10


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    copies=st.integers(1, 3),
    batch=st.integers(1, 7),
    ready=st.sampled_from(["", "{}", None]),
)
def test_events_in_any_order_number_and_batch_end_in_the_same_state_with_one_run(
    seed: int, copies: int, batch: int, ready: str | None
) -> None:
    ends = [ended(None, 1, 100, ready), ended(random.Random(seed), copies, batch, ready)]  # noqa: S311 (an order, no secret)
    assert ends[0] == ends[1]


def ended(shuffle: random.Random | None, copies: int, batch: int, ready: str | None) -> tuple[object, ...]:
    yard = Yard()
    yard.pipeline()
    yard.put("datasets/digits/mnist/run.toml", "[train.hyperparameters]\nepochs = 3\n")
    for number in range(6):
        yard.put(f"datasets/digits/mnist/training/{number}.png")
    yard.put("datasets/digits/single.csv", "1,2")
    yard.put("datasets/digits/clash.csv", "1,2")
    yard.put("datasets/digits/clash/training/a.png")
    yard.put("datasets/digits/../training/a.png")
    if ready is not None:
        yard.put("datasets/digits/mnist/_READY", ready and '{"training": 6}')
    yard.deliver(batch=batch, shuffle=shuffle, copies=copies)
    yard.wait(400)
    yard.tick(5)
    names = sorted(dataset.id for dataset in yard.world.records.datasets().items)
    return (
        [
            (name, found.state, found.reason, found.run, found.digest, found.due)
            for name in names
            if (found := yard.dataset(name))
        ],
        sorted(run.id for run in yard.all_runs()),
        [(run.superseded, run.channels) for run in sorted(yard.all_runs(), key=lambda run: run.id)],
        yard.dataset(MNIST).state,
        yard.dataset(DatasetId("digits", "clash")).state,
    )
