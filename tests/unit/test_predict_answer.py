from __future__ import annotations

import json
import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.predict.answer import LIMIT, Prediction, UnreadableAnswerError, read

LABELS = ("cat", "dog", "owl")


def body(document: object) -> bytes:
    return json.dumps(document).encode()


def test_predictions_are_read_as_the_container_names_them() -> None:
    said = body({"predictions": [{"label": "dog", "score": 0.9}, {"label": "cat", "score": 0.1, "more": 1}]})
    assert read(said, (), 5) == (Prediction("dog", 0.9), Prediction("cat", 0.1))


@pytest.mark.parametrize("rows", [[0.2, 0.5, 0.3], [[0.2, 0.5, 0.3]]])
def test_scores_take_the_labels_in_their_order(rows: list[object]) -> None:
    assert read(body(rows), LABELS, 5) == (Prediction("dog", 0.5), Prediction("owl", 0.3), Prediction("cat", 0.2))


def test_the_best_come_first_and_no_more_than_asked_for() -> None:
    assert [found.label for found in read(body([1, 3, 2]), LABELS, 2)] == ["dog", "owl"]


def test_equal_scores_keep_the_order_of_the_container() -> None:
    assert [found.label for found in read(body([1, 1, 1]), LABELS, 3)] == list(LABELS)


def test_one_label_and_one_row_of_one_score_fit() -> None:
    assert read(b"[[0.5]]", ("only",), 1) == (Prediction("only", 0.5),)


def test_a_box_is_handed_on() -> None:
    said = body({"predictions": [{"label": "dog", "score": 1, "box": [1, 2, 3, 4.5]}]})
    assert read(said, (), 1)[0].to_json() == {"label": "dog", "score": 1.0, "box": [1.0, 2.0, 3.0, 4.5]}


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"null",
        b"7",
        b'"dog"',
        b"\xff\xfe",
        b"<html>",
        b"{}",
        b"[]",
        b"[[]]",
        b"[[0.1,0.2,0.7],[0.1,0.2,0.7]]",
        b"[0.1, 0.2]",
        b"[0.1, 0.2, true]",
        b'[0.1, 0.2, "0.7"]',
        b"[0.1, 0.2, NaN]",
        b"[0.1, 0.2, Infinity]",
        b"[0.1, 0.2, 1e999]",
        b"[0.1, 0.2, 1" + b"0" * 400 + b"]",
        b"[0.1, 0.2, 1" + b"0" * 5000 + b"]",
        b"[" * 100_000,
        b'{"predictions": {"label": "dog", "score": 1}}',
        b'{"predictions": ["dog"]}',
        b'{"predictions": [{"label": "dog"}]}',
        b'{"predictions": [{"label": 7, "score": 1}]}',
        b'{"predictions": [{"label": "dog", "score": null}]}',
        b'{"predictions": [{"label": "dog", "score": 1, "box": [1, 2, 3]}]}',
        b'{"predictions": [{"label": "dog", "score": 1, "box": [1, 2, 3, "4"]}]}',
        b'{"predictions": [{"label": "' + b"d" * 1001 + b'", "score": 1}]}',
        b'{"predictions": [{"label": "\\ud800", "score": 1}]}',
        b" " * (LIMIT + 1),
    ],
)
def test_what_is_no_prediction_is_refused(said: bytes) -> None:
    with pytest.raises(UnreadableAnswerError):
        read(said, LABELS, 5)


@given(
    st.binary()
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["predictions", "label", "score", "box"]), inner)
        ),
    ).map(body)
)
def test_any_bytes_give_finite_predictions_or_an_error_of_ours(said: bytes) -> None:
    found: tuple[Prediction, ...] = ()
    with suppress(UnreadableAnswerError):
        found = read(said, LABELS, 3)
    assert len(found) <= 3
    assert all(math.isfinite(each.score) for each in found)
