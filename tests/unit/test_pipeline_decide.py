from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.decide.pipeline import (
    SETTLE_SECONDS,
    Announce,
    ReadFolder,
    Rest,
    Settle,
    accepted,
    announced,
    next_step,
    note_upload,
    refused,
    settle_again,
    settle_on,
)
from chalicelib.model import PipelineRecord

NEW = PipelineRecord("digits")


def test_a_first_upload_begins_a_settle_with_one_wake_up() -> None:
    step = note_upload(NEW, at=100.0, now=101.0)

    assert step == Settle(replace(NEW, last_seen=100.0, timer=105.0, due=165.0), wake=4)


def test_a_later_upload_extends_the_settle_and_sends_no_second_wake_up() -> None:
    first = note_upload(NEW, at=100.0, now=100.0)
    assert isinstance(first, Settle)

    later = note_upload(first.record, at=103.0, now=103.0)

    assert later == Settle(replace(first.record, last_seen=103.0), wake=None)


def test_the_wake_up_of_an_extended_settle_sends_another() -> None:
    record = replace(NEW, last_seen=103.0, timer=105.0, due=165.0)

    assert next_step(record, 105.0) == Settle(replace(record, timer=108.0, due=168.0), wake=3)


def test_a_settle_is_read_when_it_was_quiet_for_five_seconds() -> None:
    record = replace(NEW, last_seen=100.0, timer=105.0, due=165.0)

    assert isinstance(next_step(record, 104.9), Settle)
    assert next_step(record, 105.0) == ReadFolder(record)


def test_a_lost_wake_up_is_made_good_by_whoever_looks_later() -> None:
    assert isinstance(next_step(replace(NEW, last_seen=100.0, timer=105.0, due=165.0), 165.0), ReadFolder)


def test_an_event_that_comes_again_after_the_reading_starts_nothing() -> None:
    read = accepted(replace(NEW, last_seen=100.0, timer=105.0), "v1", None, newest=100.0, now=106.0)

    assert note_upload(read, at=100.0, now=200.0) == Rest()
    assert isinstance(note_upload(read, at=101.0, now=200.0), Settle)


def test_an_event_that_comes_again_while_settling_changes_nothing() -> None:
    record = replace(NEW, last_seen=100.0, timer=105.0, due=165.0)

    assert note_upload(record, at=99.0, now=103.0) == Settle(record, wake=None)


def test_what_the_listing_shows_extends_a_settle_no_event_told_of() -> None:
    record = replace(NEW, last_seen=100.0, timer=105.0, due=165.0)

    assert settle_on(record, newest=104.0, now=106.0) == Settle(
        replace(record, last_seen=104.0, timer=109.0, due=169.0), wake=3
    )
    assert settle_on(record, newest=100.0, now=106.0) is None


def test_a_folder_that_changed_while_it_was_read_settles_anew() -> None:
    record = replace(NEW, last_seen=100.0, timer=105.0, due=165.0)

    assert settle_again(record, now=106.0) == Settle(replace(record, timer=111.0, due=171.0), wake=5)


def test_an_accepted_version_stays_due_until_the_others_were_told() -> None:
    record = accepted(replace(NEW, timer=105.0, problem="was"), "v1", "Digits", newest=100.0, now=106.0)

    assert (record.version, record.accepted_at, record.title, record.problem) == ("v1", 106.0, "Digits", None)
    assert (record.timer, record.due) == (None, 166.0)
    assert next_step(record, 107.0) == Announce(record, "v1")
    told = announced(record)
    assert (told.released, told.due) == ("v1", None)
    assert next_step(told, 108.0) == Rest()


def test_the_same_version_keeps_the_time_it_was_accepted_at() -> None:
    record = announced(accepted(NEW, "v1", None, newest=1.0, now=6.0))

    again = accepted(replace(record, timer=20.0), "v1", None, newest=10.0, now=20.0)

    assert (again.accepted_at, again.due, again.timer) == (6.0, None, None)


def test_a_refusal_keeps_the_last_good_version() -> None:
    record = announced(accepted(NEW, "v1", None, newest=1.0, now=6.0))

    no = refused(replace(record, timer=20.0), "it is wrong", newest=10.0, now=20.0)

    assert (no.version, no.problem, no.timer, no.due) == ("v1", "it is wrong", None, None)
    assert next_step(no, 30.0) == Rest()


def test_what_a_reading_found_is_known_whatever_events_say_of_it_later() -> None:
    settling = replace(NEW, last_seen=100.0, timer=105.0)

    for read in (
        accepted(settling, "v1", None, newest=101.0, now=106.0),
        refused(settling, "it is wrong", newest=101.0, now=106.0),
    ):
        assert note_upload(read, at=101.0, now=110.0) == Rest()
        assert isinstance(note_upload(read, at=102.0, now=110.0), Settle)


def test_a_refusal_before_the_last_version_was_told_of_stays_due() -> None:
    record = accepted(NEW, "v1", None, newest=1.0, now=6.0)

    no = refused(replace(record, timer=20.0), "it is wrong", newest=10.0, now=20.0)

    assert no.due == 80.0
    assert next_step(no, 30.0) == Announce(no, "v1")


def test_nothing_is_to_be_done_for_a_pipeline_nobody_knows() -> None:
    assert next_step(None, 1.0) == Rest()


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=20))
def test_however_uploads_and_wake_ups_fall_one_reading_comes_five_seconds_after_the_last(
    moments: list[tuple[int, bool]],
) -> None:
    record, now, wakes = NEW, 1000.0, []
    for wait, twice in moments:
        now += wait
        for _ in range(2 if twice else 1):
            step = note_upload(record, at=now, now=now)
            if isinstance(step, Settle):
                record = step.record
                wakes += [now + step.wake] if step.wake is not None else []

    reading = None
    while wakes and reading is None:
        now = max(now, wakes.pop(0))
        step_ = next_step(record, now)
        if isinstance(step_, Settle):
            record = step_.record
            wakes += [now + step_.wake] if step_.wake is not None else []
        elif isinstance(step_, ReadFolder):
            reading = now

    assert reading is not None
    assert reading >= record.last_seen + SETTLE_SECONDS
