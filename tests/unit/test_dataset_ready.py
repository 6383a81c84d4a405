"""`_READY` is empty or counts; anything else is refused with a sentence."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.decide.ready import Ready, disagreement, read_ready, too_large


@pytest.mark.parametrize("body", [b"", b"\n", b"  \r\n"])
def test_an_empty_ready_promises_nothing(body: bytes) -> None:
    assert read_ready(body, 7) == Ready(7)


def test_a_counting_ready_promises_its_counts() -> None:
    assert read_ready(b'{"training": 1437, "evaluation": 360}', 7).counts == {"training": 1437, "evaluation": 360}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"done", "not JSON"),
        (b"\xff\xfe\xfa", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"{}", "no object of counts"),
        (b"[1437]", "no object of counts"),
        (b'{"training": "1437"}', '"training"'),
        (b'{"training": -1}', '"training"'),
        (b'{"training": true}', '"training"'),
        (b'{"training": 1.5}', '"training"'),
        (b'{"tra ining": 1}', "tra ining"),
        (b'{"": 1}', "cannot be a channel"),
    ],
)
def test_a_malformed_ready_is_refused_with_what_is_wrong_and_what_to_do(body: bytes, why: str) -> None:
    problem = read_ready(body, 7).problem
    assert problem is not None
    assert why in problem.reason
    assert "1437" in problem.todo


def test_a_ready_that_is_too_large_is_refused_unread() -> None:
    assert too_large(7).problem is not None


@given(
    st.binary(max_size=60)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps).map(str.encode)
)
def test_any_body_is_read_as_something(body: bytes) -> None:
    ready = read_ready(body, 7)
    assert ready.problem is None or ready.counts is None


def test_counts_disagree_by_saying_what_is_there_and_what_was_promised() -> None:
    assert disagreement({"training": 2}, {"training": 2}) is None
    assert disagreement({"training": 2, "evaluation": 0}, {"training": 2}) is None
    told = disagreement({"training": 3}, {"training": 2, "extra": 1})
    assert told == "_READY promises training: 3; the listing has extra: 1, training: 2"
    assert disagreement({"training": 3}, {}) == "_READY promises training: 3; the listing has nothing"
