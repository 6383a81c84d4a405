"""What a release decides: every sight has a next step, and none of them lets clients meet what is in doubt."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.decide import release as decide
from chalicelib.decide import release_steps as steps
from chalicelib.decide.digests import target_digest
from chalicelib.decide.proposal import Known, Older, Put, note_failure, propose, standing
from chalicelib.model import Lease, Release, ReleaseStage, Target
from chalicelib.ports import EndpointSeen

NOW = 10_000.0
STATUSES = [
    "InService",
    "Creating",
    "Updating",
    "RollingBack",
    "SystemUpdating",
    "Deleting",
    "Failed",
    "UpdateRollbackFailed",
    "OutOfService",
    "Unheard",
]


def target(name: str, order: float = 1.0) -> Target:
    digest = target_digest(f"v1{name}", {"order": order})
    return Target(
        digest, f"v1{name}", "version", "arn", 1, f"model-{name}", f"config-{name}", {}, (), (order, 1.0), "trained"
    )


CHAMPION, NEXT = target("champion", 1.0), target("next", 2.0)


def endpoints(name: str) -> st.SearchStrategy[EndpointSeen | None]:
    return st.none() | st.builds(
        EndpointSeen,
        st.just(name),
        st.sampled_from(STATUSES),
        st.sampled_from([CHAMPION.config, NEXT.config, "config-strange"]),
    )


@st.composite
def sights(draw: st.DrawFn) -> decide.Sight:
    stage = draw(st.sampled_from(list(ReleaseStage)))
    # What is rolled back has a champion; what is undeployed has none any more, or it would go on serving.
    lives: dict[ReleaseStage, list[Target | None]]
    lives = {ReleaseStage.ROLLING_BACK: [CHAMPION], ReleaseStage.UNDEPLOYING: [None]}
    live = draw(st.sampled_from(lives.get(stage, [None, CHAMPION])))
    idle = stage is ReleaseStage.IDLE
    release = Release(
        "digits",
        stage=stage,
        desired=draw(st.sampled_from([None, live, NEXT])) if idle else NEXT,
        live=live,
        pending=draw(st.sampled_from([None, target("later", 3.0)])),
        failed={NEXT.digest: "wrong"} if stage in {ReleaseStage.IDLE, ReleaseStage.ROLLING_BACK} else {},
        lease=draw(st.sampled_from([None, Lease("me", NOW + 9), Lease("another", NOW + 9), Lease("another", NOW - 9)])),
        stage_since=draw(st.sampled_from([NOW, NOW - 3600])),
        attempts=draw(st.integers(0, 4)),
    )
    warned = draw(st.sampled_from([None, NOW, NOW - 3600]))
    return decide.Sight(release, NOW, draw(endpoints("live")), draw(endpoints("rehearsal")), warned, "me")


@given(sights())
def test_every_sight_has_a_next_step(sight: decide.Sight) -> None:
    decide.next_step(sight)


@given(sights())
def test_nothing_goes_live_or_is_tested_that_does_not_serve_its_own_configuration(sight: decide.Sight) -> None:
    step = decide.next_step(sight)
    assert not isinstance(step, steps.MakeLive | steps.RollOut)
    if isinstance(step, steps.Test):
        seen = sight.rehearsal if sight.release.stage is ReleaseStage.REHEARSING else sight.endpoint
        assert seen is not None
        assert (seen.status, seen.config) == ("InService", NEXT.config)


@given(sights())
def test_while_rehearsing_the_endpoint_that_clients_meet_is_left_alone(sight: decide.Sight) -> None:
    step = decide.next_step(sight)
    if sight.release.stage is ReleaseStage.REHEARSING:
        assert not isinstance(step, steps.Create | steps.Update)
        assert not (isinstance(step, steps.Remove) and step.endpoint == "live")


@given(sights())
def test_an_update_is_asked_for_only_in_service_and_under_no_lease_of_another(sight: decide.Sight) -> None:
    if isinstance(decide.next_step(sight), steps.Update):
        assert sight.endpoint is not None
        assert sight.endpoint.status == "InService"
        lease = sight.release.lease
        assert lease is None or lease.holder == "me" or lease.until <= NOW


@given(sights())
def test_the_champions_endpoint_is_never_removed_while_it_serves(sight: decide.Sight) -> None:
    step = decide.next_step(sight)
    if sight.release.live is not None and decide.serves(sight.endpoint, sight.release.live):
        assert not (isinstance(step, steps.Remove) and step.endpoint == "live")


@given(sights())
def test_giving_up_leaves_the_live_configuration_serving_or_brings_it_back(sight: decide.Sight) -> None:
    step = decide.next_step(sight)
    if isinstance(step, steps.Fail) and sight.release.stage is ReleaseStage.ROLLING_OUT and sight.release.live:
        assert decide.serves(sight.endpoint, sight.release.live)
    failed = decide.tested(sight, "it answered wrongly")
    if sight.release.stage is ReleaseStage.ROLLING_OUT and sight.release.live is not None:
        assert isinstance(failed, steps.RollBack) or decide.serves(sight.endpoint, sight.release.live)


@given(sights())
def test_a_rollback_never_ends_by_itself_before_the_live_configuration_serves(sight: decide.Sight) -> None:
    step = decide.next_step(sight)
    if sight.release.stage is ReleaseStage.ROLLING_BACK and sight.release.live is not None:
        assert not isinstance(step, steps.Fail | steps.Rest | steps.Start)
        assert isinstance(step, steps.Restored) <= decide.serves(sight.endpoint, sight.release.live)


@given(st.lists(st.integers(1, 6), max_size=8))
def test_in_any_order_of_proposals_the_newest_waits(orders: list[int]) -> None:
    release = Release("digits")
    for order in orders:
        outcome = propose(release, target(f"run{order}", float(order)), NOW)
        release = outcome.release if isinstance(outcome, Put) else release
    assert (release.pending.order[0] if release.pending else 0) == max(orders, default=0)


def test_what_is_live_under_way_or_failed_is_not_proposed_again() -> None:
    under_way = Release("digits", live=CHAMPION, desired=NEXT, stage=ReleaseStage.REHEARSING)
    assert isinstance(propose(under_way, NEXT, NOW), Known)
    assert isinstance(propose(under_way, CHAMPION, NOW), Known)
    failed = note_failure(Release("digits", live=CHAMPION, desired=NEXT), NEXT, "wrong")
    assert isinstance(propose(failed, NEXT, NOW), Known)
    assert standing(failed) == (CHAMPION,)


def test_an_older_one_is_told_which_newer_one_there_is() -> None:
    outcome = propose(Release("digits", live=NEXT), CHAMPION, NOW)
    assert outcome == Older(NEXT)


def test_going_back_to_what_is_live_replaces_what_is_under_way() -> None:
    under_way = Release("digits", live=CHAMPION, desired=NEXT, stage=ReleaseStage.REHEARSING)
    outcome = propose(under_way, replace(CHAMPION, order=(3.0, 1.0)), NOW)
    assert isinstance(outcome, Put)


def test_failures_are_remembered_up_to_a_bound() -> None:
    release = Release("digits")
    for number in range(150):
        release = note_failure(release, target(f"run{number}"), "wrong")
    assert len(release.failed) == 100
    assert target("run149").digest in release.failed
