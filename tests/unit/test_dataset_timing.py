"""When a dataset is looked at, and when that is too early: pure, with times as arguments."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.decide import dataset as decide
from chalicelib.decide.dataset import List, News, Note, Refuse, Seal, Trigger, Wait
from chalicelib.decide.keys import Part, Refusal
from chalicelib.decide.layout import Survey
from chalicelib.decide.ready import Ready
from chalicelib.model import Dataset, DatasetId, DatasetState, Listing, Tally

ID = DatasetId("digits", "mnist")
COLLECTING = Dataset(ID, first_seen=1000, last_seen=1000, seen=1, timer=1120, due=1180)
SEALED = replace(COLLECTING, state=DatasetState.SEALED, sealed_at=1125.5, due=None, run="v1ab")
QUIET = Trigger(120)
MARKER = Trigger(120, marker=True)


def survey(*channels: str, newest: float = 1000) -> Survey:
    tallies = tuple(Tally(name, channels.count(name), 1) for name in sorted({*channels}))
    return Survey(ID, Listing(listed=len(channels), objects=len(channels), channels=tallies, newest=newest))


def noted(seen: Dataset | None, news: News, trigger: Trigger = QUIET, now: float = 1000) -> Note:
    step = decide.intake(seen, news, trigger, now)
    assert isinstance(step, Note)
    return step


def test_the_first_arrival_asks_for_one_wake_up_at_the_end_of_the_quiet() -> None:
    note = noted(None, News(ID, newest=1000, count=3))
    assert note.opened
    assert note.wake == 1120
    assert note.dataset.timer == 1120
    assert note.dataset.due == 1180
    assert note.dataset.seen == 3


def test_a_later_arrival_leaves_the_wake_up_that_is_under_way() -> None:
    note = noted(COLLECTING, News(ID, newest=1050, count=1), now=1050)
    assert note.wake is None
    assert note.dataset.last_seen == 1050
    assert note.dataset.timer == 1120


def test_a_late_event_of_an_early_object_does_not_shorten_the_quiet() -> None:
    assert noted(COLLECTING, News(ID, newest=900, count=1), now=1010).dataset.last_seen == 1000


def test_a_wake_up_that_never_came_is_asked_for_again() -> None:
    assert noted(COLLECTING, News(ID, newest=1190, count=1), now=1190).wake == 1310


@pytest.mark.parametrize(
    "news",
    [News(ID, newest=1050, count=1, single="datasets/digits/mnist.csv"), News(ID, 1050, 1, ready=True, counted=True)],
)
def test_a_single_object_and_a_counting_ready_are_looked_at_at_once(news: News) -> None:
    assert noted(COLLECTING, news, now=1050).wake == 1050


def test_an_empty_ready_shortens_the_quiet_to_five_seconds() -> None:
    assert noted(COLLECTING, News(ID, newest=1050, count=1, ready=True), now=1050).wake == 1055
    assert noted(COLLECTING, News(ID, newest=1050, count=1, ready=True), Trigger(2), now=1050).wake == 1052


def test_a_marker_pipeline_sends_no_wake_up_before_there_is_a_marker() -> None:
    note = noted(None, News(ID, newest=1000, count=1), MARKER)
    assert note.wake is None
    assert note.dataset.due == 1900
    assert noted(note.dataset, News(ID, newest=1000, count=1, ready=True), MARKER).wake == 1005


@pytest.mark.parametrize("seen", [None, SEALED])
def test_a_run_toml_by_itself_starts_nothing(seen: Dataset | None) -> None:
    assert decide.intake(seen, News(ID, 1200, 1, starts=False), QUIET, 1200) == decide.Ignore()
    assert noted(COLLECTING, News(ID, 1050, 1, starts=False), now=1050).dataset.last_seen == 1050


def test_a_name_that_cannot_be_is_refused_once() -> None:
    news = News(ID, 1000, 1, problem=Refusal("no such name", "rename it"))
    assert isinstance(decide.intake(None, news, QUIET, 1000), Refuse)
    told = Dataset(ID, state=DatasetState.REFUSED, reason="no such name")
    assert decide.intake(told, news, QUIET, 1000) == decide.Ignore()


def test_a_sealed_dataset_collects_again_and_keeps_its_run() -> None:
    note = noted(SEALED, News(ID, newest=1500, count=1), now=1500)
    assert note.opened
    assert note.dataset.state is DatasetState.COLLECTING
    assert note.dataset.run == "v1ab"
    assert note.wake == 1620


LISTING = replace(COLLECTING, listing=Listing(began=2000, listed=50_000, objects=50_000))


@pytest.mark.parametrize(
    ("news", "begins_anew"),
    [
        (News(ID, 1699, 100), False),
        (News(ID, 1700, 100), True),
        (News(ID, 1699, 1, ready=True), True),
        (News(ID, 1699, 1, single="datasets/digits/mnist.csv"), True),
    ],
)
def test_news_from_before_the_listing_began_are_no_news_to_it(news: News, *, begins_anew: bool) -> None:
    if begins_anew:
        assert noted(LISTING, news, now=2001).dataset.listing is None
    else:
        assert decide.intake(LISTING, news, QUIET, 2001) == decide.Ignore()


def test_a_listing_that_is_not_complete_goes_on_at_once() -> None:
    found = replace(survey("training", newest=1000), complete=False)
    step = decide.weigh(LISTING, replace(found, listing=replace(found.listing, began=2000)), QUIET, None, 2005)
    assert isinstance(step, decide.GoOn)
    note = decide.going_on(LISTING, step, 2005)
    assert (note.wake, note.dataset.due, note.dataset.listing) == (2005, 2065, step.listing)


@pytest.mark.parametrize("complete", [True, False])
def test_what_arrived_after_the_listing_began_makes_it_wait_and_begin_anew(*, complete: bool) -> None:
    found = survey("training", newest=2001)
    found = replace(found, complete=complete, listing=replace(found.listing, began=2000))
    step = decide.weigh(LISTING, found, Trigger(1), None, 2050)
    assert step == Wait(2051, "It seals when nothing has arrived for 1 seconds.")
    assert decide.waiting(LISTING, step, 2050).dataset.listing is None


@pytest.mark.parametrize(
    ("part", "at", "old"),
    [
        (Part.FILE, 999, True),
        (Part.FILE, 1000, False),
        (Part.READY, 1125, True),
        (Part.READY, 1126, False),
    ],
)
def test_what_the_last_listing_saw_is_old(part: Part, at: float, *, old: bool) -> None:
    assert decide.is_old(SEALED, part, at) is old


def test_quiet_is_looked_at_when_it_is_over_and_not_before() -> None:
    early = decide.look(COLLECTING, QUIET, None, 1119.9)
    assert early == Wait(1120, "It seals when nothing has arrived for 120 seconds.")
    assert decide.look(COLLECTING, QUIET, None, 1120) == List()


def test_a_malformed_ready_is_refused_at_once() -> None:
    problem = Refusal("cannot be read", "upload it again")
    assert decide.look(COLLECTING, QUIET, Ready(1000, problem=problem), 1001) == Refuse(problem)


def test_a_listing_with_a_newer_object_waits_for_the_rest() -> None:
    step = decide.weigh(COLLECTING, survey("training", newest=1100), QUIET, None, 1120)
    assert isinstance(step, Wait)
    assert step.until == 1220


def test_counts_seal_the_moment_they_agree() -> None:
    found = survey("training", "training", newest=1009)
    assert decide.weigh(COLLECTING, found, QUIET, Ready(1010, {"training": 2}), 1010) == Seal(found)


def test_counts_that_disagree_are_looked_at_every_five_seconds_then_told_then_refused() -> None:
    ready, found = Ready(1010, {"training": 2}), survey("training")
    first = decide.weigh(COLLECTING, found, QUIET, ready, 1010)
    assert isinstance(first, Wait)
    assert first.until == 1015
    assert "training: 2" not in first.why
    busy = replace(COLLECTING, last_seen=1180)
    later = decide.weigh(busy, found, QUIET, ready, 1200)
    assert isinstance(later, Wait)
    assert later.until == 1260
    assert later.why == "_READY promises training: 2; the listing has training: 1."
    last = decide.weigh(busy, found, QUIET, ready, 1300)
    assert isinstance(last, Refuse)
    assert "training: 2" in last.refusal.reason
    assert "training: 1" in last.refusal.reason


def test_a_channel_that_ready_does_not_promise_disagrees() -> None:
    assert isinstance(
        decide.weigh(COLLECTING, survey("training", "extra"), QUIET, Ready(1010, {"training": 1}), 1010), Wait
    )


@given(
    st.none() | st.floats(0, 3000),
    st.floats(0, 3000),
    st.floats(0, 3000),
    st.floats(-60, 1),
)
def test_after_every_decision_a_wake_up_is_under_way_that_is_not_too_late(
    timer: float | None, until: float, now: float, slack: float
) -> None:
    wake = decide.wake_at(timer, until, now, lost=now + slack)
    if wake is None:
        assert timer is not None
        assert now + slack < timer <= max(until, now) + 1
    else:
        assert now <= wake <= now + 900
        assert wake <= max(until, now)


@given(st.floats(1000, 1e6), st.sampled_from([QUIET, MARKER]), st.none() | st.just({"training": 2}) | st.just({}))
def test_every_wait_ends_in_the_future(now: float, trigger: Trigger, counts: dict[str, int] | None) -> None:
    """Else the schedule would find the dataset due for ever, and others would starve."""
    for ready in (None, Ready(1000, counts)):
        for step in (
            decide.look(COLLECTING, trigger, ready, now),
            decide.weigh(COLLECTING, survey("training"), trigger, ready, now),
            decide.open_upload(COLLECTING, now),
            decide.no_pipeline("none", now),
        ):
            if isinstance(step, Wait):
                note = decide.waiting(COLLECTING, step, now)
                assert note.dataset.due is not None
                assert note.dataset.due > now
