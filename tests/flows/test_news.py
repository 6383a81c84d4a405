"""What the world is told: each state once, in a chain, never before it is saved; whoever dies loses none of it."""

from __future__ import annotations

import contextlib
import json
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.events import EndpointChanged, JobChanged, UploadSeen
from chalicelib.flows.outbox import GRACE, Outbox
from chalicelib.model import Approval, DatasetId, Release, RunState
from chalicelib.names import run12
from chalicelib.news import APPROVAL, DATASET, REASON_LIMIT, RELEASE, RUN, News
from chalicelib.wiring import Flows
from tests.fakes.calls import CrashError
from tests.fakes.world import World
from tests.flows.machines import PIPELINE, Machines

DROP = DatasetId("digits", "mnist")
KEY = "datasets/digits/mnist/training/7/1.png"
ENDPOINT = "df-test-digits-realtime"
TOML = """
[train]
framework = "sklearn"
source_dir = "src"
entry_point = "train.py"
"""
SHARDS = 8

Told = list[tuple[str, str | None, str]]


def told(news: Sequence[News]) -> Told:
    """Give kind, previous state and state of each, each id once, as they came first."""
    once = {each.id: each for each in reversed(news)}
    inorder = [each for each in news if once.pop(each.id, None)]
    return [(each.kind.split()[1], each.detail["previousState"], each.detail["state"]) for each in inorder]


WAY: Told = [
    ("Dataset", None, "collecting"),
    ("Run", None, "preparing"),
    ("Dataset", "collecting", "sealed"),
    ("Run", "preparing", "training"),
    ("Run", "training", "evaluating"),
    ("Run", "evaluating", "registered"),
    ("Release", None, "rehearsing"),
    ("Release", "rehearsing", "rolling-out"),
    ("Release", "rolling-out", "live"),
]


def drop(keys: Sequence[str] = (KEY,)) -> World:
    """Make a world with a pipeline, and a drop that just arrived; what is sent before it is saved fails."""
    world = World()
    world.bus.listener = lambda news: assert_is_saved(world, news)
    world.bucket.put("pipelines/digits/pipeline.toml", TOML)
    world.bucket.put("pipelines/digits/src/train.py", b"print()")
    rooms = Flows(world)
    rooms.pipelines.uploaded("digits", world.clock())
    world.clock.advance(10)
    rooms.pipelines.advance("digits")
    for key in keys:
        world.bucket.put(key, b"an image")
    return world


def assert_is_saved(world: World, news: News) -> None:
    """Look, past the log of calls, whether what news tells of is in the table."""
    stored = world.records.peek(subject_of(news))
    assert stored is not None, news
    assert stored.rev >= news.detail["sequence"], (news, stored)


def subject_of(news: News) -> str:
    detail = news.detail
    match news.kind:
        case "Dropforge Dataset State Change":
            return f"dataset:{detail['pipeline']}/{detail['dataset']}"
        case "Dropforge Release State Change":
            return f"release:{detail['pipeline']}"
        case _:
            return f"run:{detail['run']}"


def play(world: World, key: str = KEY) -> None:
    """Let every event come in time, each to a handler that sends its news at the end, up to the live model."""
    rooms = Flows(world)
    steps: list[Callable[[], object]] = [
        lambda: rooms.datasets.uploaded([UploadSeen("m", key, 8, world.clock())]),
        lambda: seal(world, rooms),
        lambda: complete(world, rooms),
        *[lambda: settle(world, rooms)] * 6,
    ]
    for step in steps:
        step()
        rooms.outbox.send_mine()


def seal(world: World, rooms: Flows) -> None:
    world.clock.advance(130)
    rooms.datasets.advance(DROP)


def complete(world: World, rooms: Flows) -> None:
    finish(world)
    for job in world.jobs.names:
        rooms.runs.job_changed(JobChanged(job))


def settle(world: World, rooms: Flows) -> None:
    world.hosting.settle()
    rooms.releases.endpoint_changed(EndpointChanged(ENDPOINT))


def finish(world: World) -> None:
    for name in world.jobs.names:
        with contextlib.suppress(AssertionError):  # it has ended already
            world.jobs.finish(name, {"accuracy": 0.97}, ["1", "7"])


def recover(world: World, ticks: int = 60) -> None:
    """Begin as a fresh process to which no event comes any more: the schedule alone finishes."""
    world.records.unsent()  # that was the dead one's memory
    rooms = Flows(world)
    for _ in range(ticks):
        world.clock.advance(61)
        rooms.reconcile.tick()
        finish(world)
        world.hosting.settle()
        if not is_open(world):
            return
    raise AssertionError(f"Still open: {world.records.release('digits')}, {world.records.outbox()}")


def is_open(world: World) -> bool:
    release = world.records.peek("release:digits")
    kinds = ("dataset", "run", "release", "pipeline")
    return (
        not (release and release.live)
        or any(world.records.due(kind, math.inf, limit=9) for kind in kinds)
        or bool(world.records.outbox())
    )


def assert_told_once(world: World) -> None:
    """The whole way, each subject's states in their order; at one moment of a clock that stands still, any order."""
    for kind in ("Dataset", "Run", "Release"):
        assert [each for each in told(world.bus.taken) if each[0] == kind] == [each for each in WAY if each[0] == kind]
    assert len(world.bus.taken) == len(WAY)


def assert_chained(world: World) -> None:
    """Each subject's events, by their sequence, name the state before; the last is what the table holds."""
    chains: dict[tuple[str, str], list[News]] = defaultdict(list)
    for news in {each.id: each for each in world.bus.taken}.values():
        chains[news.kind, subject_of(news)].append(news)
    for (kind, subject), chain in chains.items():
        chain.sort(key=lambda each: int(each.detail["sequence"]))
        states = [each.detail["state"] for each in chain]
        if kind != APPROVAL:
            assert [each.detail["previousState"] for each in chain] == [None, *states[:-1]], (subject, states)
            stored = world.records.peek(subject)
            assert stored is not None
            assert stored.told.split()[0] == states[-1]


def test_the_whole_way_of_a_drop_is_told_in_order_and_each_state_once() -> None:
    world = drop()
    play(world)
    assert_told_once(world)
    assert world.records.outbox() == ()
    assert {each.news.id for each in world.records.events().items} == {each.id for each in world.bus.taken}
    assert_chained(world)


def test_an_event_says_whose_it_is_and_where_to_look() -> None:
    world = drop()
    play(world)
    by_state = {each.detail["state"]: each.detail for each in world.bus.taken}
    run = world.records.peek("dataset:digits/mnist").run
    live, registered, sealed = (dict(by_state[state]) for state in ("live", "registered", "sealed"))
    assert (live["run"], live["modelVersion"], live["live"]) == (run12(run), 1, run12(run))
    assert live["links"]["model"] == "/v1/models/digits"
    assert registered["package"] == world.records.peek(f"run:{run12(run)}").package
    assert sealed["links"] == {
        "dataset": "/v1/datasets/digits/mnist",
        "run": f"/v1/runs/{run12(run)}",
        "status": "s3://bucket/status/digits/mnist.json",
    }
    assert json.loads(world.bucket.read("status/digits/mnist.json"))["dataset"] == "digits/mnist"
    assert {(each["deployment"], each["stage"]) for each in (live, registered, sealed)} == {("df-test", "test")}


def test_a_refusal_is_told_with_why_and_what_to_do() -> None:
    world = drop(["datasets/digits/mnist/stray.png", KEY])
    play(world)
    assert told(world.bus.taken) == [("Dataset", None, "collecting"), ("Dataset", "collecting", "refused")]
    refused, status = world.bus.taken[-1].detail, json.loads(world.bucket.read("status/digits/mnist.json"))
    assert (refused["reason"], refused["todo"], refused["run"]) == (status["reason"], status["todo"], None)


def test_reason_and_todo_are_told_no_longer_than_a_bus_takes_them() -> None:
    it = Machines()
    run = it.seal()
    it.world.records.save(replace(run, state=RunState.FAILED, reason="r" * 100_000, todo="t" * 100_000))
    sent(it)
    told_last = it.world.bus.taken[-1].detail
    assert (told_last["reason"], told_last["todo"]) == ("r" * REASON_LIMIT, "t" * REASON_LIMIT)


def sent(it: Machines) -> list[tuple[str | None, str, str | None]]:
    """Send all, and give what was told of the release: state, whose model, why."""
    Outbox(records=it.world.records, bus=it.world.bus, clock=it.world.clock).send_all()
    assert_chained(it.world)
    mine = [each.detail for each in it.world.bus.taken if each.kind == RELEASE]
    return [(each["state"], each["run"], each["reason"]) for each in mine]


def test_a_job_that_fails_is_told_with_sagemakers_reason() -> None:
    it = Machines()
    run = it.seal()
    it.runs.advance(run12(run.id))
    it.world.jobs.fail(it.job(run), "AlgorithmError: no such column")
    it.runs.job_changed(JobChanged(it.job(run)))
    assert sent(it) == []
    last = it.world.bus.taken[-1]
    assert (last.kind, last.detail["state"]) == (RUN, "failed")
    assert "no such column" in last.detail["reason"]
    assert last.detail["todo"]


def test_a_candidate_that_fails_is_told_of_and_the_champion_is_not_live_anew() -> None:
    it = Machines()
    champion = it.deploy("champion")
    before = sent(it)
    candidate = it.register("candidate")
    it.world.hosting.broken(existing(it.release.desired).config, "fails-creation")
    it.release_to_rest()
    after = sent(it)[len(before) :]
    assert [(state, run) for state, run, _ in after] == [
        ("rehearsing", run12(candidate.id)),
        ("failed", run12(candidate.id)),
    ]
    assert after[-1][2] == next(iter(it.release.failed.values()))
    assert it.world.bus.taken[-1].detail["live"] == run12(champion.id)


def existing(found: Any) -> Any:
    assert found is not None
    return found


def test_an_update_that_fails_is_rolled_back_and_told_as_failed() -> None:
    it = Machines()
    it.deploy("champion")
    before = sent(it)
    candidate = it.register("candidate")
    it.world.hosting.broken(existing(it.release.desired).config, "fails-update")
    it.release_to_rest()
    states = [(state, run) for state, run, _ in sent(it)[len(before) :]]
    assert states[0] == ("rehearsing", run12(candidate.id))
    assert states[-1] == ("failed", run12(candidate.id))
    assert "live" not in dict(states)


def test_an_endpoint_that_is_gone_is_told_as_restored_and_then_live_again() -> None:
    it = Machines()
    champion = it.deploy("champion")
    before = sent(it)
    it.world.hosting.delete_endpoint(ENDPOINT)  # a person did
    it.world.hosting.settle()
    it.endpoint_event()
    it.release_to_rest()
    assert [(state, run) for state, run, _ in sent(it)[len(before) :]] == [
        ("restoring", run12(champion.id)),
        ("live", run12(champion.id)),
    ]


def test_a_second_model_goes_live_and_is_told_by_its_own_run() -> None:
    it = Machines()
    it.deploy("champion")
    second = it.deploy("second")
    assert [(state, run) for state, run, _ in sent(it)][-3:] == [
        ("rehearsing", run12(second.id)),
        ("rolling-out", run12(second.id)),
        ("live", run12(second.id)),
    ]


def test_a_target_that_fails_before_its_turn_is_told_as_failed() -> None:
    it = Machines()
    it.deploy("champion")
    before = sent(it)
    run = it.train("candidate")
    it.runs.propose = it.releases.propose  # its turn comes later
    it.runs.job_changed(JobChanged(it.job(run)))
    for key in it.world.bucket.keys(f"runs/{PIPELINE}/_versions/"):
        it.world.bucket.remove(key)
    it.releases.advance(PIPELINE)
    failed = sent(it)[len(before) :]
    assert [(state, name) for state, name, _ in failed] == [("failed", run12(run.id))]
    assert failed[0][2] == next(iter(it.release.failed.values()))


def test_an_approval_is_asked_for_with_the_run_that_waits_for_it() -> None:
    it = Machines()
    run = it.seal()
    waiting = replace(run, state=RunState.REGISTERED, approval=Approval.PENDING, package="arn:aws:x:model-package/d/1")
    saved = it.world.records.save(waiting)
    assert sent(it) == []
    registered, asked = it.world.bus.taken[-2:]
    assert (registered.kind, registered.detail["state"], asked.kind) == (RUN, "registered", APPROVAL)
    assert (asked.detail["run"], asked.detail["package"]) == (run12(run.id), waiting.package)
    assert asked.detail["links"]["approve"] == f"/v1/runs/{run12(run.id)}/approve"
    it.world.records.save(replace(saved, due=7.0))
    assert sent(it) == []
    assert it.world.bus.taken[-1] == asked, "it is asked once"


def test_a_bus_that_is_away_fails_no_step_and_the_schedule_sends_what_waits() -> None:
    world = drop()
    world.bus.away = True
    rooms = Flows(world)
    rooms.datasets.uploaded([UploadSeen("m", KEY, 8, world.clock())])
    for _ in range(5):
        world.clock.advance(61)
        rooms.reconcile.tick()
    assert world.bus.taken == []
    assert set(told(world.records.outbox())) == set(WAY[:4])
    world.bus.away = False
    recover(world)
    assert_told_once(world)


def test_what_the_bus_did_not_take_is_sent_again_and_nothing_else() -> None:
    world = drop()
    rooms = Flows(world)
    rooms.datasets.uploaded([UploadSeen("m", KEY, 8, world.clock())])
    world.clock.advance(130)
    rooms.datasets.advance(DROP)
    second = world.records.outbox()[1]
    world.bus.refuses = {second.id}
    rooms.outbox.send_mine()
    assert world.records.outbox() == (second,)
    world.clock.advance(GRACE)
    rooms.outbox.send_all()
    assert [each.id for each in world.bus.taken].count(second.id) == 1
    assert world.records.outbox() == ()


def test_news_that_the_bus_refuses_keeps_no_other_back() -> None:
    world = drop()
    rooms = Flows(world)
    rooms.datasets.uploaded([UploadSeen("m", KEY, 8, world.clock())])
    world.clock.advance(130)
    rooms.datasets.advance(DROP)
    first, *others = world.records.outbox()
    assert others
    world.bus.too_large = {first.id}
    for _ in range(2):
        rooms.outbox.send_all()
        world.clock.advance(GRACE)
    assert world.records.outbox() == (first,)
    assert [each.id for each in world.bus.taken] == [each.id for each in others]


def test_what_another_worker_has_just_saved_is_left_to_it() -> None:
    world = drop()
    rooms = Flows(world)
    rooms.datasets.uploaded([UploadSeen("m", KEY, 8, world.clock())])
    world.records.unsent()
    rooms.outbox.send_all()
    assert world.bus.taken == []
    world.clock.advance(GRACE)
    rooms.outbox.send_all()
    assert told(world.bus.taken) == WAY[:1]


def test_a_step_that_saved_nothing_to_tell_asks_nobody_anything() -> None:
    world = drop()
    rooms = Flows(world)
    rooms.outbox.send_mine()
    before = len(world.calls)
    rooms.outbox.send_mine()
    assert len(world.calls) == before


def test_an_event_that_is_sent_twice_carries_the_same_id() -> None:
    world = drop()
    rooms = Flows(world)
    rooms.datasets.uploaded([UploadSeen("m", KEY, 8, world.clock())])
    world.fail_at(3)  # reading the outbox, sending, and: dead
    with pytest.raises(CrashError):
        rooms.outbox.send_mine()
    world.clock.advance(GRACE)
    Flows(world).outbox.send_all()
    first, again = world.bus.taken
    assert first == again


@pytest.mark.parametrize("old", ["", "nonsense", "of an older release of ours"])
def test_what_an_item_says_was_told_heals_with_the_next_save(old: str) -> None:
    world = drop()
    play(world)
    release = world.records.peek("release:digits")
    world.bus.taken.clear()
    saved = world.records.save(replace(release, told=old))
    world.records.save(replace(saved, due=7.0))
    Flows(world).outbox.send_mine()
    assert [each.detail["state"] for each in world.bus.taken] == ["live"]


def test_a_release_that_has_done_nothing_yet_tells_nothing() -> None:
    world = World()
    world.records.save(Release("digits", due=7.0))
    assert world.records.outbox() == ()


def calls_of_the_way() -> int:
    world = drop()
    before = len(world.calls)
    play(world)
    return len(world.calls) - before


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_worker_that_dies_at_any_call_loses_no_event_and_tells_none_too_early(shard: int, *, after: bool) -> None:
    for number in range(1 + shard, calls_of_the_way() + 1, SHARDS):
        world = drop()
        world.fail_at(number, after=after)
        with pytest.raises(CrashError):
            play(world)
        recover(world)
        assert sorted(told(world.bus.taken), key=str) == sorted(WAY, key=str), f"call {number}"
        assert_chained(world)


def test_a_dataset_that_collects_again_is_told_so() -> None:
    world = drop()
    play(world)
    world.bus.taken.clear()
    rooms = Flows(world)
    world.bucket.put("datasets/digits/mnist/training/8/2.png", b"another")
    late = UploadSeen("m2", "datasets/digits/mnist/training/8/2.png", 8, world.clock())
    rooms.datasets.uploaded([late])
    rooms.outbox.send_mine()
    assert told(world.bus.taken) == [("Dataset", "sealed", "collecting")]
    assert world.bus.taken[0].kind == DATASET
