"""What an order to start makes of a dataset."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.decide.start import REMEMBERED, Ask, Known, ask
from chalicelib.model import Command, Dataset, DatasetId, DatasetState

MNIST = DatasetId("digits", "mnist")
BY = Command("arn:ada", 100.0, "because")
STATES = st.sampled_from(DatasetState)
REQUESTS = st.sampled_from(["", "r-1", "r-2", "r-3"])


def asked(seen: Dataset | None, values: str = "", request: str = "") -> Dataset:
    step = ask(seen, MNIST, BY, values=values, request=request)
    assert isinstance(step, Ask)
    return step.dataset


@given(STATES, REQUESTS, st.sampled_from(["", "x = 1"]))
def test_whatever_it_is_it_is_looked_at_now_and_keeps_its_run(state: DatasetState, request: str, values: str) -> None:
    seen = Dataset(MNIST, state, run="v1", digest="d", reason="no", todo="do", last_seen=50.0, rev=3)
    after = asked(seen, values, request)
    assert (after.state, after.asked, after.due, after.overrides) == (DatasetState.COLLECTING, BY, 100.0, values)
    assert (after.run, after.digest, after.last_seen, after.rev) == ("v1", "d", 50.0, 3)
    assert (after.reason, after.todo) == (None, None)


@given(st.lists(REQUESTS, max_size=8))
def test_an_order_with_an_id_is_taken_once(requests: list[str]) -> None:
    dataset, taken = Dataset(MNIST), []
    for request in requests:
        step = ask(dataset, MNIST, BY, request=request)
        if isinstance(step, Ask):
            dataset = step.dataset
            taken.append(request)
    assert sorted(each for each in taken if each) == sorted({each for each in requests if each})


def test_an_order_without_an_id_that_stands_already_is_known() -> None:
    standing = asked(Dataset(MNIST), "x = 1")
    assert ask(standing, MNIST, BY, values="x = 1") == Known()
    assert isinstance(ask(standing, MNIST, BY, values="x = 2"), Ask)


def test_only_so_many_ids_are_remembered() -> None:
    dataset = Dataset(MNIST)
    for number in range(REMEMBERED + 5):
        dataset = asked(dataset, request=f"r-{number}")
    assert len(dataset.requests) == REMEMBERED
    assert dataset.requests[-1] == f"r-{REMEMBERED + 4}"


def test_data_elsewhere_makes_a_dataset_that_nobody_has_dropped() -> None:
    step = ask(None, MNIST, BY, sources={"training": "s3://lake/"})
    assert isinstance(step, Ask)
    assert (step.dataset.sources, step.dataset.first_seen) == ({"training": "s3://lake/"}, 100.0)
