"""Our own events on their way to a topic and a webhook, through the real handler over a world in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

import app
from chalicelib import wiring
from chalicelib.decide.notice import signature
from tests.app import raw
from tests.app.raw import Context
from tests.fakes.world import SETTINGS, World

TOPIC = "arn:aws:sns:us-east-1:000000000000:df-test-news"
HOOK = "https://example.com/hook"
SECRET = "/df-test/webhook"
NOTHING: dict[str, Any] = {"batchItemFailures": []}
AGAIN: dict[str, Any] = {"batchItemFailures": [{"itemIdentifier": "m0"}]}


@contextmanager
def told_to(**more: Any) -> Iterator[World]:
    """Make a world whose settings name these; the app meets it."""
    made = World(replace(SETTINGS, **more))
    with wiring.use(wiring.Flows(made)):
        yield made


@pytest.fixture
def topic() -> Iterator[World]:
    with told_to(topic=TOPIC) as world:
        yield world


@pytest.fixture
def hook() -> Iterator[World]:
    with told_to(webhook=HOOK, webhook_secret=SECRET) as world:
        yield world


def news(name: str = "e1", state: str = "live") -> str:
    """Make one of our events as EventBridge puts it into a queue."""
    envelope = {"version": "0", "id": "bus-1", "source": "dropforge", "detail-type": "Dropforge Release State Change"}
    detail = {"version": "1", "id": name, "deployment": "df-test", "pipeline": "digits", "state": state, "reason": None}
    return json.dumps({**envelope, "time": "2031-05-01T10:00:00Z", "detail": detail})


def deliver(*bodies: str) -> dict[str, Any]:
    answer: dict[str, Any] = app.on_news(raw.batch(*bodies), Context())
    return answer


def test_with_nobody_named_an_event_is_acknowledged_and_that_is_all(world: World) -> None:
    assert deliver(news()) == NOTHING
    assert [str(call) for call in world.calls if str(call).startswith("mail.")] == []


def test_a_topic_gets_the_whole_event_with_what_subscribers_filter_by(topic: World) -> None:
    assert deliver(news()) == NOTHING
    assert topic.mail.published == [
        (
            news(),
            "Dropforge Release State Change: digits live",
            {"detail-type": "Dropforge Release State Change", "pipeline": "digits", "state": "live"},
        )
    ]


def test_a_webhook_gets_the_whole_event_signed_with_its_time_and_id(hook: World) -> None:
    assert deliver(news()) == NOTHING
    ((body, headers),) = hook.mail.posted
    assert body == news().encode()
    assert headers["Dropforge-Event-Id"] == "e1"
    assert headers["Dropforge-Signature"] == signature(b"a secret", body, hook.clock())
    assert headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 500, 503, None])
def test_whatever_is_no_success_comes_again_with_the_same_id_and_body(hook: World, status: int | None) -> None:
    hook.mail.says = [status]
    assert deliver(news()) == AGAIN
    assert deliver(news()) == NOTHING
    (first, one), (second, other) = hook.mail.posted
    assert (first, one["Dropforge-Event-Id"]) == (second, other["Dropforge-Event-Id"])


@pytest.mark.parametrize("status", [200, 202, 204])
def test_a_success_is_done(hook: World, status: int) -> None:
    hook.mail.says = [status]
    assert deliver(news()) == NOTHING


def test_one_that_is_not_taken_keeps_no_other_waiting(hook: World) -> None:
    hook.mail.says = [500]
    assert deliver(news("e1"), news("e2")) == AGAIN
    assert [headers["Dropforge-Event-Id"] for _, headers in hook.mail.posted] == ["e1", "e2"]


def test_a_webhook_that_is_down_sends_no_mail_twice_and_holds_none_back() -> None:
    with told_to(topic=TOPIC, webhook=HOOK, webhook_secret=SECRET) as world:
        world.mail.says = [500, 500]
        assert [deliver(news()), deliver(news()), deliver(news())] == [AGAIN, AGAIN, NOTHING]
        assert (len(world.mail.published), len(world.mail.posted)) == (1, 3)


def test_a_topic_that_is_down_holds_no_webhook_back() -> None:
    with told_to(topic=TOPIC, webhook=HOOK, webhook_secret=SECRET) as world:
        world.mail.away = True
        assert deliver(news()) == AGAIN
        world.mail.away = False
        assert deliver(news()) == NOTHING
        assert (len(world.mail.published), len(world.mail.posted)) == (1, 1)


def test_a_new_secret_signs_within_minutes_and_the_old_is_not_read_for_each(hook: World) -> None:
    deliver(news("e1"), news("e2"))
    assert hook.count("mail.secret") == 1
    hook.mail.key = "another"
    hook.clock.advance(301)
    deliver(news("e3"))
    body, headers = hook.mail.posted[-1]
    assert headers["Dropforge-Signature"] == signature(b"another", body, hook.clock())


def test_what_is_no_event_of_ours_comes_again_until_somebody_looks_at_it(hook: World) -> None:
    assert deliver("not JSON", json.dumps({"source": "aws.s3"}), news()) == {
        "batchItemFailures": [{"itemIdentifier": "m0"}, {"itemIdentifier": "m1"}]
    }
    assert len(hook.mail.posted) == 1


def test_each_event_has_its_line_without_what_it_carries_or_is_signed_with(
    hook: World, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    hook.mail.says = [200, 500]
    deliver(news("e1"), news("e2"))
    lines = [vars(line) for line in caplog.records]
    assert [(line["step"], line["outcome"], line["event"], line["pipeline"], line["state"]) for line in lines] == [
        ("news", "done", "e1", "digits", "live"),
        ("news", "comes again", "e2", "digits", "live"),
    ]
    assert lines[1]["reason"] == "The webhook answered 500."
    told = capsys.readouterr().out + str(lines)
    assert "a secret" not in told
    assert "v1=" not in told


def test_an_event_that_nobody_wanted_is_told_as_nothing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    assert world
    deliver(news())
    assert [vars(line)["outcome"] for line in caplog.records] == ["nothing"]
