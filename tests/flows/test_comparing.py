"""After the job: what was sealed beside what lies there, a look at a time, to the same answer as at once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.aws import items
from chalicelib.errors import NotFoundError
from chalicelib.events import JobChanged
from chalicelib.flows.comparing import SHOWN, compare
from chalicelib.model import Comparison, Run, RunState
from chalicelib.names import sealed_key
from chalicelib.ports import Bucket, Clock
from tests.flows.machines import Machines
from tests.flows.test_datasets_long import SlowBucket
from tests.flows.yard import MNIST, Yard

PLACES = [f"{channel}/{name}" for channel in ("evaluation", "training") for name in "abcdefg"]


def sealed(names: list[str]) -> Yard:
    yard = Yard()
    yard.pipeline()
    for name in names:
        yard.put(f"datasets/{MNIST}/{name}", name)
    yard.wait(125)
    return yard


def looks(yard: Yard, run: Run) -> tuple[Comparison, int]:
    """Compare in looks of one small page each, with what is known stored between them."""
    bucket: Bucket = SlowBucket(yard.world.bucket, yard.world.clock.advance)  # type: ignore[assignment] # the port
    for number in range(1, 100):
        compared = compare(bucket, run, yard.world.clock)
        if compared.done:
            return compared, number
        run = items.read_item(items.machine_item(replace(run, compared=compared)), Run)
    raise AssertionError("it never ends")


@settings(max_examples=60, deadline=None)
@given(
    st.sets(st.sampled_from(PLACES), min_size=1),
    st.sets(st.sampled_from(PLACES)),
    st.sets(st.sampled_from(PLACES)),
)
def test_what_was_overwritten_or_deleted_is_named_and_nothing_else(
    there: set[str], written: set[str], removed: set[str]
) -> None:
    there.add("training/a")
    yard = sealed(sorted(there))
    run, bucket = yard.run(), yard.world.bucket
    for name in written:
        bucket.put(f"datasets/{MNIST}/{name}", b"another")
    for name in removed & (there | written):
        bucket.remove(f"datasets/{MNIST}/{name}")
    changed = sorted(f"datasets/{MNIST}/{name}" for name in there & (written | removed))
    at_once = compare(bucket, run, yard.world.clock)
    assert (at_once.changed, at_once.count, at_once.done) == (tuple(changed[:SHOWN]), len(changed), True)
    in_looks, _ = looks(yard, run)
    assert (in_looks.changed, in_looks.count) == (at_once.changed, at_once.count)


def test_files_that_were_added_are_passed_over_look_by_look() -> None:
    yard = sealed(["training/a", "training/z"])
    for number in range(20):
        yard.world.bucket.put(f"datasets/{MNIST}/training/m{number:02}", b"added")
    compared, number = looks(yard, yard.run())
    assert compared.changed == ()
    assert number == 11


def test_a_look_reads_on_where_the_last_ended() -> None:
    yard = sealed([f"training/{number:02}" for number in range(9)])
    bucket: Bucket = SlowBucket(yard.world.bucket, yard.world.clock.advance)  # type: ignore[assignment] # the port
    first = compare(bucket, yard.run(), yard.world.clock)
    assert first.after == "training/01"
    assert not first.done
    rest = yard.world.bucket.read_from(sealed_key("digits", yard.run().id), first.offset, limit=14)
    assert rest == b'["training/02"'


def test_an_input_that_was_never_frozen_is_not_found() -> None:
    yard = sealed(["training/a"])
    with pytest.raises(NotFoundError):
        compare(yard.world.bucket, replace(yard.run(), id="v1" + "f" * 64), yard.world.clock)


class InLooks(Machines):
    """Machines whose comparison takes three looks."""

    def _compare(self, bucket: Bucket, run: Run, clock: Clock) -> Comparison:
        whole = super()._compare(bucket, run, clock)
        offset = run.compared.offset if run.compared else 0
        return replace(whole, count=len(self.changed) + 7 * bool(self.changed), offset=offset + 1, done=offset == 2)


def test_a_run_goes_on_comparing_at_once_until_it_is_done() -> None:
    machines = InLooks()
    run = machines.train()
    machines.runs.job_changed(JobChanged(machines.job(run)))
    for looked in (1, 2):
        found = machines.run(run)
        assert found.state is RunState.EVALUATING
        assert found.compared is not None
        assert found.compared.offset == looked
        (subject,) = machines.world.timer.due()
        machines.runs.advance(subject.removeprefix("run:"))
    assert machines.run(run).state is RunState.REGISTERED


def test_a_run_whose_files_were_changed_names_the_first_and_counts_all() -> None:
    machines = InLooks()
    machines.changed = tuple(f"datasets/digits/mnist/training/{number}" for number in range(6))
    run = machines.train()
    machines.runs.job_changed(JobChanged(machines.job(run)))
    for _ in range(2):
        machines.runs.advance(machines.run(run).id)
    found = machines.run(run)
    assert found.state is RunState.FAILED
    assert found.reason is not None
    assert "training/0, " in found.reason
    assert found.reason.endswith("training/4 and 8 more.")


def test_another_attempt_compares_from_the_beginning() -> None:
    machines = InLooks()
    run = machines.train()
    stale = replace(machines.run(run), compared=Comparison(offset=99, done=False))
    machines.world.records.save(stale)
    machines.runs.job_changed(JobChanged(machines.job(run)))
    found = machines.run(run)
    assert found.compared is not None
    assert found.compared.offset == 1
