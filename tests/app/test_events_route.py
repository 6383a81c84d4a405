"""Our events through the real handlers: sent at the end of each, and listed by `GET /v1/events`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

import app
from chalicelib import wiring
from chalicelib.model import DatasetId
from tests.app import raw
from tests.app.acts import drop_dataset, push_pipeline, wake_until_quiet
from tests.app.raw import Context
from tests.app.test_http import found, refused
from tests.fakes.calls import CrashError
from tests.fakes.world import World


@pytest.fixture
def dropped(world: World) -> World:
    """Give a world in which a drop trains."""
    push_pipeline(world)
    wake_until_quiet(world, seconds=30)
    drop_dataset(world, "1.png")
    wake_until_quiet(world)
    return world


def states(listed: dict[str, Any]) -> list[str]:
    return [event["detail"]["state"] for event in listed["events"]]


def test_every_handler_sends_what_it_saved(dropped: World) -> None:
    (job,) = dropped.jobs.names
    sent = [each.detail["state"] for each in dropped.bus.taken]
    assert sent[0] == "collecting"
    assert set(sent) == {"collecting", "preparing", "sealed", "training"}
    dropped.jobs.finish(job, labels=["0", "1"])
    app.on_job_changed(raw.job_changed(job), Context())
    assert {"evaluating", "registered"} <= {each.detail["state"] for each in dropped.bus.taken}
    assert dropped.records.outbox() == ()


def test_a_bus_that_is_away_fails_no_handler_and_a_later_tick_sends(world: World) -> None:
    world.bus.away = True
    drop_dataset(world, "1.png")
    (waiting,) = world.records.outbox()
    world.bus.away = False
    world.clock.advance(60)
    app.reconcile(raw.schedule(), Context())
    assert world.bus.taken[0] == waiting


def test_what_a_handler_saved_before_it_failed_is_sent(dropped: World) -> None:
    (job,) = dropped.jobs.names
    dropped.jobs.finish(job, labels=["0", "1"])
    dropped.bus.taken.clear()
    before = len(dropped.calls)
    app.on_job_changed(raw.job_changed(job), Context())
    register = next(at for at, call in enumerate(dropped.calls) if str(call) == "registry.register") - before + 1

    with wiring.use(wiring.Flows(world := World())):
        push_pipeline(world)
        wake_until_quiet(world, seconds=30)
        drop_dataset(world, "1.png")
        wake_until_quiet(world)
        world.jobs.finish(job, labels=["0", "1"])
        world.bus.taken.clear()
        world.fail_at(register, error=lambda: RuntimeError("SageMaker is away"))
        with pytest.raises(RuntimeError):
            app.on_job_changed(raw.job_changed(job), Context())
    assert [each.detail["state"] for each in world.bus.taken] == ["evaluating"]


def test_a_process_that_dies_sends_nothing_any_more(world: World) -> None:
    world.bucket.put("datasets/digits/mnist/training/1.png", b"pixels")
    event = raw.batch(raw.created("datasets/digits/mnist/training/1.png", world.clock(), size=6))
    app.on_uploads(event, Context())
    saved = next(at for at, call in enumerate(world.calls) if str(call) == "records.save") + 1

    with wiring.use(wiring.Flows(other := World())):
        other.fail_at(saved, after=True, error=CrashError)
        with pytest.raises(CrashError):
            app.on_uploads(event, Context())
        assert (other.bus.taken, len(other.records.outbox())) == ([], 1)


def test_events_are_listed_as_they_were_sent(dropped: World) -> None:
    listed = found("/v1/events")
    first, sent = listed["events"][0], dropped.bus.taken[0]
    assert (first["id"], first["type"], first["detail"]) == (sent.id, sent.kind, dict(sent.detail))
    assert first["detail"]["dataset"] == DatasetId("digits", "mnist").name
    assert {each["id"] for each in listed["events"]} == {each.id for each in dropped.bus.taken}


def test_the_newest_come_without_a_word_and_a_token_goes_on(dropped: World) -> None:
    every = states(found("/v1/events"))
    newest = found("/v1/events", {"limit": "1"})
    assert states(newest) == every[-1:]
    assert found("/v1/events", {"next": newest["next"]})["events"] == []
    dropped.clock.advance(5)
    drop_dataset(dropped, "2.png")
    assert states(found("/v1/events", {"next": newest["next"]})) == ["collecting"]


def test_since_begins_at_a_moment(dropped: World) -> None:
    begun = datetime.fromtimestamp(dropped.clock() - 86_400, UTC)
    every = states(found("/v1/events"))
    for text in (begun.isoformat(), begun.isoformat().replace("+", " "), f"{begun:%Y-%m-%dT%H:%M:%SZ}"):
        page = found("/v1/events", {"since": text, "limit": "2"})
        rest = found("/v1/events", {"next": page["next"]})
        assert states(page) + states(rest) == every
    later = datetime.fromtimestamp(dropped.clock() + 60, UTC).isoformat()
    assert states(found("/v1/events", {"since": later})) == []


@pytest.mark.parametrize("since", ["", "yesterday", "2031-05-01", "2031-05-01T10:00:00", "9" * 50, "9999-99-99T00:00Z"])
def test_a_moment_that_is_none_is_refused_with_an_example(world: World, since: str) -> None:  # noqa: ARG001 -- an empty world
    assert refused("/v1/events", {"since": since}) == (
        400,
        "invalid-request",
        '"since" is a moment with its zone, such as 2031-05-01T10:00:00Z.',
    )


def test_to_begin_and_to_go_on_at_once_is_refused(world: World) -> None:  # noqa: ARG001 -- an empty world
    token = found("/v1/events")["next"]
    assert refused("/v1/events", {"since": "2031-05-01T10:00:00Z", "next": token})[:2] == (400, "invalid-request")
    assert refused("/v1/events", {"next": "nonsense"})[:2] == (400, "invalid-request")
    assert refused("/v1/events", {"pipeline": "digits"})[:2] == (400, "invalid-request")


def test_an_order_by_post_sends_what_it_saved(dropped: World) -> None:
    (job,) = dropped.jobs.names
    run = job.split("-")[3]
    dropped.bus.taken.clear()
    dropped.records.save(dropped.records.peek(f"run:{run}"))
    response = app.app(raw.post("/v1/runs/{run}/stop", {"run": run}), Context())
    assert response["statusCode"] == 200, response["body"]
    dropped.jobs.settle()
    app.on_job_changed(raw.job_changed(job), Context())
    assert [each.detail["state"] for each in dropped.bus.taken] == ["stopped"]
