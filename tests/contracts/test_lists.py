"""What `ports.Records` promises of its lists: newest first, stable pages, nothing twice and nothing missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.errors import InvalidError
from chalicelib.model import DatasetId, DatasetState, PipelineRecord, RunState
from chalicelib.ports import Page
from tests.contracts.values import dataset, run, run_id
from tests.contracts.worlds import NOW, ContractWorld

DAY = 86_400.0


def every_page(read: Callable[[str | None], Page[Any]]) -> list[Any]:
    page = read(None)
    found = list(page.items)
    for _ in range(50):
        if page.next is None:
            return found
        page = read(page.next)
        found += page.items
    raise AssertionError("the pages never end")


def test_runs_of_a_pipeline_come_newest_first(world: ContractWorld) -> None:
    for age in (2, 0, 1):
        world.records.save(run(age, created_at=NOW - age))
    world.records.save(run("stranger", "letters", created_at=NOW))
    found = world.records.runs(pipeline="digits")
    assert [item.id for item in found.items] == [run_id(age) for age in (0, 1, 2)]
    assert found.next is None


def test_all_runs_come_newest_first_across_pipelines_and_months(world: ContractWorld) -> None:
    ages = [0.0, 20.0, 40.0, 100.0, 400.0, 700.0]
    for place, age in enumerate(ages):
        world.records.save(run(age, ("digits", "letters")[place % 2], created_at=NOW - age * DAY))
    assert [item.id for item in world.records.runs().items] == [run_id(age) for age in ages]


@pytest.mark.parametrize("pipeline", ["digits", None])
@pytest.mark.parametrize("limit", [1, 3, 7])
def test_pages_follow_one_another_without_gap_or_overlap(
    world: ContractWorld, pipeline: str | None, limit: int
) -> None:
    ages = [0.0, 1.0, 2.0, 31.0, 32.0, 64.0, 200.0]
    for age in ages:
        world.records.save(run(age, created_at=NOW - age * DAY))
    found = every_page(lambda after: world.records.runs(pipeline=pipeline, after=after, limit=limit))
    assert [item.id for item in found] == [run_id(age) for age in ages]


@pytest.mark.parametrize("pipeline", ["digits", None])
def test_a_page_that_takes_the_last_item_says_that_there_is_no_more(world: ContractWorld, pipeline: str | None) -> None:
    for age in range(3):
        world.records.save(run(age, created_at=NOW - age * 30 * DAY))
    assert world.records.runs(pipeline=pipeline, limit=3).next is None


@pytest.mark.parametrize("pipeline", ["digits", None])
def test_what_is_created_meanwhile_never_shifts_a_page(world: ContractWorld, pipeline: str | None) -> None:
    for age in (1, 2, 3):
        world.records.save(run(age, created_at=NOW - age))
    first = world.records.runs(pipeline=pipeline, limit=2)
    world.records.save(run("new", created_at=NOW))
    second = world.records.runs(pipeline=pipeline, limit=2, after=first.next)
    assert [item.id for item in (*first.items, *second.items)] == [run_id(age) for age in (1, 2, 3)]


def test_what_changes_meanwhile_keeps_its_place(world: ContractWorld) -> None:
    saved = [world.records.save(run(age, created_at=NOW - age)) for age in (1, 2, 3)]
    first = world.records.runs(pipeline="digits", limit=2)
    for item in saved:
        world.records.save(replace(item, state=RunState.FAILED))
    second = world.records.runs(pipeline="digits", limit=2, after=first.next)
    assert [item.id for item in (*first.items, *second.items)] == [run_id(age) for age in (1, 2, 3)]


def test_runs_of_one_moment_are_all_listed(world: ContractWorld) -> None:
    for name in range(5):
        world.records.save(run(name, created_at=NOW))
    found = every_page(lambda after: world.records.runs(pipeline="digits", after=after, limit=2))
    assert {item.id for item in found} == {run_id(name) for name in range(5)}
    assert len(found) == 5


@pytest.mark.parametrize("pipeline", ["digits", None])
def test_a_state_picks_out_its_own(world: ContractWorld, pipeline: str | None) -> None:
    for age in range(9):
        state = RunState.FAILED if age % 3 == 0 else RunState.REGISTERED
        world.records.save(run(age, created_at=NOW - age * 10 * DAY, state=state))
    found = every_page(lambda after: world.records.runs(pipeline=pipeline, state=RunState.FAILED, after=after, limit=2))
    assert [item.id for item in found] == [run_id(age) for age in (0, 3, 6)]
    assert world.records.runs(pipeline=pipeline, state=RunState.STOPPED).items == ()


def test_a_list_follows_a_state_that_has_changed(world: ContractWorld) -> None:
    saved = world.records.save(dataset("a"))
    world.records.save(replace(saved, state=DatasetState.SEALED))
    assert world.records.datasets(state=DatasetState.COLLECTING).items == ()
    assert len(world.records.datasets(state=DatasetState.SEALED).items) == 1


def test_datasets_come_newest_first_and_by_pipeline(world: ContractWorld) -> None:
    for place, (name, pipeline) in enumerate([("a", "digits"), ("b", "letters"), ("c + ü", "digits")]):
        world.records.save(dataset(name, pipeline, first_seen=NOW + place))
    everything = [item.id for item in world.records.datasets().items]
    assert everything == [DatasetId("digits", "c + ü"), DatasetId("letters", "b"), DatasetId("digits", "a")]
    assert [item.id.name for item in world.records.datasets(pipeline="digits").items] == ["c + ü", "a"]
    assert [item.id.name for item in world.records.datasets(pipeline="digits", limit=1).items] == ["c + ü"]


def test_a_pipeline_whose_name_begins_another_lists_its_own(world: ContractWorld) -> None:
    world.records.save(dataset("a", "digits"))
    world.records.save(dataset("a", "digits-2"))
    assert [item.id.pipeline for item in world.records.datasets(pipeline="digits").items] == ["digits"]


def test_datasets_and_runs_of_one_pipeline_are_lists_of_their_own(world: ContractWorld) -> None:
    world.records.save(dataset())
    world.records.save(run())
    assert len(world.records.datasets(pipeline="digits").items) == 1
    assert len(world.records.runs(pipeline="digits").items) == 1


def test_pipelines_come_by_name(world: ContractWorld) -> None:
    for name in ("letters", "digits", "a-1"):
        world.records.save(PipelineRecord(name, last_seen=NOW))
    found = every_page(lambda after: world.records.pipelines(after=after, limit=2))
    assert [item.name for item in found] == ["a-1", "digits", "letters"]


def test_there_may_be_nothing_at_all(world: ContractWorld) -> None:
    assert world.records.runs() == Page(())
    assert world.records.datasets(pipeline="digits") == Page(())
    assert world.records.pipelines() == Page(())


def test_a_token_of_another_list_is_refused(world: ContractWorld) -> None:
    for age in range(3):
        world.records.save(run(age, created_at=NOW - age))
    token = world.records.runs(pipeline="digits", limit=1).next
    assert token is not None
    with pytest.raises(InvalidError):
        world.records.runs(pipeline="letters", after=token)
