"""What `ports.Records` promises of our own events, and what `ports.Bus` does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.errors import ConflictError, InvalidError
from chalicelib.model import DatasetState, Entry, PipelineRecord, RunState
from chalicelib.news import DATASET, RUN, News
from tests.contracts.values import dataset, run
from tests.contracts.worlds import NOW, ContractWorld, Heard, eventually

DAY = 86_400.0


def news(number: int, at: float = NOW) -> News:
    detail: dict[str, Any] = {"version": "1", "sequence": number, "state": "ünï", "reason": None, "links": {"a": "/v1"}}
    return News(f"{number:032x}", at, RUN, detail)


def states(found: tuple[News, ...]) -> list[tuple[str, str]]:
    return [(each.kind, each.detail["state"]) for each in found]


def publish(world: ContractWorld, *numbers: int) -> None:
    """Publish one news after another, a second between them."""
    for number in numbers:
        world.records.published([news(number, world.clock())])
        world.clock.advance(1)


def told(world: ContractWorld, **asked: Any) -> tuple[list[int], str]:
    page = world.records.events(**asked)
    assert page.next is not None
    return [each.news.detail["sequence"] for each in page.items], page.next


def test_what_a_save_tells_waits_in_the_outbox_until_it_is_published(world: ContractWorld) -> None:
    world.records.save(dataset(), Entry(NOW, "collecting"))
    (waiting,) = world.records.outbox()
    assert (waiting.kind, waiting.at, waiting.detail["state"]) == (DATASET, NOW, "collecting")
    assert world.records.outbox() == (waiting,), "looking takes nothing away"
    world.records.published([waiting])
    assert world.records.outbox() == ()
    assert [each.news for each in world.records.events().items] == [waiting]


def test_a_save_that_changes_no_state_tells_nothing(world: ContractWorld) -> None:
    saved = world.records.save(run())
    world.records.published(world.records.outbox())
    world.records.save(replace(saved, due=7.0))
    world.records.save(PipelineRecord("digits"))
    assert world.records.outbox() == ()


def test_a_save_that_somebody_forestalled_tells_nothing(world: ContractWorld) -> None:
    saved = world.records.save(run(), Entry(NOW, "made"))
    world.records.published(world.records.outbox())
    world.records.save(replace(saved, state=RunState.TRAINING))
    with pytest.raises(ConflictError):
        world.records.save(replace(saved, state=RunState.FAILED), Entry(NOW, "too late"))
    assert states(world.records.outbox()) == [(RUN, "training")]


def test_the_outbox_is_read_in_the_order_of_time_and_at_one_moment_in_that_of_the_saves(world: ContractWorld) -> None:
    saved = world.records.save(run())
    for state in (RunState.TRAINING, RunState.EVALUATING):
        saved = world.records.save(replace(saved, state=state))
    world.clock.advance(-60)
    world.records.save(dataset(state=DatasetState.SEALED))
    found = world.records.outbox()
    assert [state for _, state in states(found)] == ["sealed", "preparing", "training", "evaluating"]
    assert world.records.outbox(limit=2) == found[:2]
    assert world.records.outbox(after=found[1], limit=1) == found[2:3]
    assert world.records.outbox(after=found[-1]) == ()


def test_a_process_knows_what_it_has_put_into_the_outbox_once(world: ContractWorld) -> None:
    world.records.save(run())
    mine = world.records.unsent()
    assert mine == {each.id for each in world.records.outbox()}
    assert world.records.unsent() == frozenset()


def test_publishing_again_is_no_error_and_brings_nothing_back(world: ContractWorld) -> None:
    world.records.save(run())
    waiting = world.records.outbox()
    for _ in range(2):
        world.records.published(waiting)
        world.clock.advance(1)
    world.records.published([])
    assert world.records.outbox() == ()
    assert {each.news.id for each in world.records.events().items} == {waiting[0].id}


def test_many_are_published_at_once(world: ContractWorld) -> None:
    world.records.published([news(number) for number in range(60)])
    assert told(world, limit=100)[0] == list(range(60))


def test_the_newest_events_come_oldest_first(world: ContractWorld) -> None:
    publish(world, 1, 2, 3, 4)
    assert told(world, limit=3)[0] == [2, 3, 4]
    assert [each.at for each in world.records.events().items] == [NOW, NOW + 1, NOW + 2, NOW + 3]


def test_events_are_listed_from_a_moment_on_over_days(world: ContractWorld) -> None:
    publish(world, 1, 2)
    world.clock.advance(3 * DAY)
    publish(world, 3)
    assert told(world, since=0.0)[0] == [1, 2, 3]
    assert told(world, since=NOW + 1)[0] == [2, 3]
    assert told(world, since=NOW + DAY)[0] == [3]
    assert told(world, since=world.clock() + DAY)[0] == []
    for edge, expected in ((-1e9, [1, 2, 3]), (1e12, [])):
        found, token = told(world, since=edge)
        assert found == expected
        assert told(world, after=token)[0] == []
    assert told(world)[0] == [1, 2, 3]


def test_a_token_goes_on_where_the_page_ended_also_where_nothing_was_yet(world: ContractWorld) -> None:
    found, token = told(world)
    assert found == []
    publish(world, 1, 2, 3)
    found, token = told(world, after=token, limit=2)
    assert found == [1, 2]
    found, token = told(world, after=token, limit=2)
    assert found == [3]
    assert told(world, after=token) == ([], token)
    world.clock.advance(DAY)
    publish(world, 4)
    assert told(world, after=token)[0] == [4]


def test_a_token_of_another_list_is_refused(world: ContractWorld) -> None:
    for number in range(3):
        world.records.note("run:0123456789ab", Entry(float(number), "step"))
    token = world.records.timeline("run:0123456789ab", limit=1).next
    for bad in (token, "nonsense!", ""):
        with pytest.raises(InvalidError):
            world.records.events(after=bad)


def test_a_listener_gets_what_was_sent_and_the_sender_which_were_taken(world: ContractWorld) -> None:
    world.heard()
    sent = [news(number) for number in range(23)]
    assert world.bus.publish(sent) == tuple(each.id for each in sent)
    heard: list[Heard] = []

    def all_of_them() -> bool:
        heard.extend(world.heard())
        return {each.detail["sequence"] for each in heard} == set(range(23))

    eventually(all_of_them)
    assert Heard("dropforge", RUN, dict(sent[0].detail)) in heard
    assert world.bus.publish([]) == ()
