"""Which states of a release are told: whatever it goes through, none twice in a row, and each by its own name."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.decide.announce import STATES, Announced, Said, announce
from chalicelib.model import Command, Release, ReleaseStage, Target


def target(letter: str) -> Target:
    run = f"v1{letter * 64}"
    return Target(f"{letter * 64}-{letter * 12}", run, "v", "p", 3, "m", "c", {}, (), (1.0, 1.0), "trained")


A, B = target("a"), target("b")
IDLE, REHEARSING, ROLLING_OUT = ReleaseStage.IDLE, ReleaseStage.REHEARSING, ReleaseStage.ROLLING_OUT


def walk(*releases: Release) -> list[tuple[str, str, str | None]]:
    """Save one release after another; gives what is told: the state before, the state now, and whose."""
    told, heard = "", []
    for release in releases:
        told, news = announce(replace(release, told=told))
        if news is not None:
            heard.append((news.previous, news.state, news.run))
    return heard


def test_a_champion_is_told_as_live_once_however_many_fail_beside_it() -> None:
    live = Release("digits", desired=A, live=A)
    fails = [
        replace(live, stage=REHEARSING, desired=B),
        replace(live, desired=B, failed={B.digest: "broken"}),
        replace(live, failed={B.digest: "broken"}),
    ]
    assert walk(live, *fails, *fails) == [
        ("", "live", "a" * 12),
        ("live", "rehearsing", "b" * 12),
        ("rehearsing", "failed", "b" * 12),
        ("failed", "rehearsing", "b" * 12),
        ("rehearsing", "failed", "b" * 12),
    ]


def test_what_its_gate_refuses_at_once_is_told_as_often_as_it_is_tried() -> None:
    live = Release("digits", desired=A, live=A)
    refused = replace(live, desired=B, failed={B.digest: "too low"})
    heard = walk(live, refused, live, refused, replace(refused, due=7.0))
    assert [state for _, state, _ in heard] == ["live", "failed", "failed"]


def test_an_endpoint_that_breaks_while_a_failure_is_cleared_away_is_restored_and_not_failed_again() -> None:
    live = Release("digits", desired=A, live=A)
    failed = replace(live, desired=B, failed={B.digest: "broken"})
    heard = walk(live, failed, replace(failed, stage=ReleaseStage.ROLLING_BACK), failed, live)
    assert [(state, run[0] if run else "") for _, state, run in heard] == [
        ("live", "a"),
        ("failed", "b"),
        ("restoring", "a"),
        ("live", "a"),
    ]


def test_where_the_release_forgot_whose_model_it_was_its_digest_says_so() -> None:
    by = Command("arn:ada", 1.0)
    down = Release("digits", stage=ReleaseStage.UNDEPLOYING, undeployed=by)
    heard = walk(Release("digits", desired=A, live=A), down, replace(down, stage=IDLE), replace(down, stage=IDLE))
    assert [state for _, state, _ in heard] == ["live", "undeploying", "undeployed"]
    assert {run for _, _, run in heard} == {"a" * 12}


targets = st.sampled_from([None, A, B])
releases = st.builds(
    lambda stage, desired, live, failed, retired: Release(
        "digits",
        stage=stage,
        desired=desired or (A if stage in {REHEARSING, ROLLING_OUT} else None),
        live=live or (A if stage is ReleaseStage.ROLLING_BACK else None),
        failed=dict.fromkeys(failed, "why"),
        retired=retired,
    ),
    st.sampled_from(list(ReleaseStage)),
    targets,
    targets,
    st.sets(st.sampled_from([A.digest, B.digest])),
    targets,
)


@given(st.lists(releases, max_size=12))
def test_whatever_a_release_goes_through_its_events_are_a_chain_that_comes_to_rest(way: list[Release]) -> None:
    told, last = "", ""
    for release in way:
        for _ in range(3):
            told, news = announce(replace(release, told=told))
            last = _next(last, news)
            assert not told or Said.read(told).told == told
        assert announce(replace(release, told=told)) == (told, None)


def _next(last: str, news: Announced | None) -> str:
    if news is None:
        return last
    assert news.previous == last
    assert news.state in STATES
    return news.state


@given(st.text(max_size=60))
def test_whatever_stands_in_told_is_read(told: str) -> None:
    now, news = announce(Release("digits", desired=A, live=A, told=told))
    assert Said.read(now).live in {A.digest, Said.read(told).live}
    assert news is None or news.state == "live"
