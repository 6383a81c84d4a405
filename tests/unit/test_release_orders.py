"""What a person's order makes of any release: a change that is made once, or a sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.decide import release_orders as orders
from chalicelib.decide.orders import Already, Refuse, wanted_by
from chalicelib.decide.proposal import Put, Undeployed, propose
from chalicelib.decide.shortage import is_shortage, lasting, told, trying, wait_more
from chalicelib.decide.stage import under_way
from chalicelib.model import Command, Release, ReleaseStage, Shortage
from tests.unit.test_release_decisions import CHAMPION, NEXT, NOW, sights, target

ADA = Command("arn:ada", NOW, "it errs")
OLD = replace(target("old", 0.5), model_version=7)
Order = Callable[[Release], orders.Answer]


def _redeploy(release: Release) -> orders.Answer:
    missed = orders.missed(release)
    return missed if isinstance(missed, Already | Refuse) else orders.redeploy(release, OLD, ADA)


ORDERS: dict[str, Order] = {
    "rollback": lambda release: orders.roll_back(release, ADA),
    "rollback to": lambda release: orders.roll_back_to(release, OLD, ADA),
    "undeploy": lambda release: orders.undeploy(release, ADA),
    "redeploy": _redeploy,
}


@st.composite
def releases(draw: st.DrawFn) -> Release:
    release = draw(sights()).release
    live = None if release.stage is ReleaseStage.UNDEPLOYING else release.live
    return replace(
        release,
        live=live,
        previous=draw(st.sampled_from([None, OLD])),
        retired=draw(st.sampled_from([None, OLD])) if live is None else None,
    )


@given(releases(), st.sampled_from(sorted(ORDERS)))
def test_an_order_that_is_repeated_changes_nothing_more(release: Release, name: str) -> None:
    first = ORDERS[name](release)
    if isinstance(first, orders.Change):
        assert isinstance(ORDERS[name](first.release), Already), first


@given(releases(), st.sampled_from(sorted(ORDERS)))
def test_every_change_says_who_and_why_and_is_due_at_once(release: Release, name: str) -> None:
    change = ORDERS[name](release)
    if isinstance(change, orders.Change):
        assert change.release.due == NOW
        assert (change.entry.facts["by"], change.entry.facts["reason"]) == ("arn:ada", "it errs")
        assert change.what.endswith((".", "stay."))


@given(releases())
def test_after_an_undeploy_nothing_is_wanted_and_what_served_is_remembered(release: Release) -> None:
    change = orders.undeploy(release, ADA)
    if isinstance(change, orders.Change):
        after = change.release
        assert (after.live, after.pending, after.stage) == (None, None, ReleaseStage.UNDEPLOYING)
        assert after.retired == (release.live or after.retired)
        assert after.retired is not None
        assert not under_way(after)


@given(releases())
def test_a_rollback_never_takes_away_what_is_live(release: Release) -> None:
    change = orders.roll_back(release, ADA)
    if isinstance(change, orders.Change):
        assert change.release.live == release.live
        if release.stage is ReleaseStage.ROLLING_OUT and release.live is not None:
            assert (change.release.stage, change.release.lease) == (ReleaseStage.ROLLING_BACK, release.lease)


@pytest.mark.parametrize("order", [0.5, NOW])
def test_what_sealed_before_an_undeploy_deploys_nothing_by_itself(order: float) -> None:
    release = Release("digits", undeployed=ADA)
    assert isinstance(propose(release, target("early", order), NOW), Undeployed)
    assert isinstance(propose(release, target("late", NOW + 1), NOW), Put)
    wanted = wanted_by(target("early", order), ADA, "approved")
    assert isinstance(propose(release, wanted, NOW), Put)
    before = wanted_by(target("early", order), replace(ADA, at=NOW - 1), "approved")
    assert isinstance(propose(release, before, NOW), Undeployed)


def test_a_persons_target_is_newer_than_all_others() -> None:
    release = Release("digits", live=NEXT)
    put = propose(release, wanted_by(CHAMPION, ADA, "rollback"), NOW)
    assert isinstance(put, Put)
    assert put.release.pending is not None
    assert (put.release.pending.order, put.release.pending.by) == ((NOW, NOW), "arn:ada")


def test_tries_come_later_and_later_until_the_pipeline_gives_up() -> None:
    seen: Shortage | None = None
    now, pauses = 0.0, []
    while (after := wait_more(trying(seen), "no room", now, 6 * 3600)) is not None:
        assert after.next_at is not None
        pauses.append(after.next_at - now)
        now, seen = after.next_at, after
    assert pauses[:6] == [60, 120, 240, 480, 960, 1800]
    assert max(pauses) == 1800
    assert now == 6 * 3600


def test_who_does_not_wait_gives_up_at_once() -> None:
    assert wait_more(None, "no room", NOW, 0) is None


def test_a_wait_says_what_for_how_often_and_until_when() -> None:
    seen = wait_more(None, "No machines.", 1_800_000_000.0, 3600)
    assert seen is not None
    assert told(seen) == ("AWS has no room for it now (No machines), tried once; next try at 2027-01-15 08:01:00 UTC.")


@pytest.mark.parametrize(
    ("reason", "short"),
    [
        ("CapacityError: Unable to provision requested ML compute capacity.", True),
        ("Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error.", True),
        ("The account-level service limit 'ml.m5.large for endpoint usage' is 1 Instances.", True),
        ("ResourceLimitExceeded: The account-level service limit is 0.", True),
        ("AlgorithmError: OSError: Disk quota exceeded, insufficient capacity", False),
        ("ClientError: Data download failed: quota.csv", False),
        ("The primary container did not pass the ping health check.", False),
        ("", False),
        (None, False),
    ],
)
def test_sagemakers_own_sentences_tell_what_there_is_no_room_for(reason: str | None, short: bool) -> None:  # noqa: FBT001 -- a parameter of the table above
    assert is_shortage(reason) is short


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 seconds"),
        (90, "90 seconds"),
        (60, "1 minute"),
        (600, "10 minutes"),
        (3600, "1 hour"),
        (5400, "90 minutes"),
        (21_600.0, "6 hours"),
    ],
)
def test_a_wait_is_told_in_whole_numbers(seconds: float, words: str) -> None:
    assert lasting(seconds) == words
