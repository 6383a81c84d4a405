"""Which places of S3 a stage trains on, and how channels that lie anywhere become one dataset."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.decide.keys import Refusal
from chalicelib.decide.sources import name_of, read_channels, sources_elsewhere
from chalicelib.model import Dataset, DatasetId

ALLOWED = ("lake/digits/", "lake/letters", "pond")


@pytest.mark.parametrize(
    "uri",
    [
        "s3://lake/digits/",
        "s3://lake/digits/a/b.csv",
        "s3://lake/letters/",
        "s3://lake/letters/a.csv",
        "s3://pond/",
        "s3://pond/anything at all",
        "s3://ours/datasets/digits/mnist/training/",
        "s3://ours/runs/digits/0123456789ab/output/",
    ],
)
def test_what_the_stage_names_and_jobs_may_read_is_read(uri: str) -> None:
    assert read_channels({"training": uri}, "ours", ALLOWED) == {"training": uri}


@pytest.mark.parametrize(
    "uri",
    [
        "s3://lake/",
        "s3://lake/digits",
        "s3://lake/digits2/",
        "s3://lake/letters",
        "s3://lake/letters-secret/",
        "s3://lake/letters.csv",
        "s3://lake2/digits/",
        "s3://ours/status/",
        "s3://ours/",
    ],
)
def test_what_lies_beside_it_is_not(uri: str) -> None:
    assert isinstance(read_channels({"training": uri}, "ours", ALLOWED), Refusal)


@pytest.mark.parametrize("uri", ["s3://pond/\x01/", "s3://pond/a\nb", "s3://pond/\ud800", "s3://pond/\u202e"])
def test_a_place_whose_name_nobody_can_read_is_refused(uri: str) -> None:
    refused = read_channels({"training": uri}, "ours", ALLOWED)
    assert isinstance(refused, Refusal)
    assert "unprintable" in refused.reason
    assert refused.reason.isprintable()


def test_a_whole_bucket_has_one_spelling() -> None:
    assert read_channels({"training": "s3://pond"}, "ours", ALLOWED) == {"training": "s3://pond/"}


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3))
def test_any_channels_are_read_or_refused_in_words(channels: dict[str, str]) -> None:
    read = read_channels(channels, "ours", ALLOWED)
    assert read == channels or (isinstance(read, Refusal) and read.reason and read.todo)


def test_a_dataset_is_named_by_what_was_asked_for_in_any_order() -> None:
    one, other = {"a": "s3://pond/1/", "b": "s3://pond/2/"}, {"b": "s3://pond/2/", "a": "s3://pond/1/"}
    assert name_of(one) == name_of(other) != name_of({"a": "s3://pond/2/", "b": "s3://pond/1/"})


def test_sources_come_in_the_order_in_which_their_keys_sort() -> None:
    places = {"a": "s3://pond/x/", "a-b": "s3://pond/list.csv", "B": "s3://pond/"}
    found = sources_elsewhere(Dataset(DatasetId("digits", "start-0"), sources=places))
    assert [it.place for it in found] == sorted(it.place for it in found) == ["B/", "a-b/", "a/"]
    assert [(it.prefix, it.only) for it in found] == [("", ""), ("", "list.csv"), ("x/", "")]
