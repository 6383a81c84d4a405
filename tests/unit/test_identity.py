"""Identity comes from content: the listing digest and the run id, byte for byte."""

from __future__ import annotations

import hashlib
import re

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.decide.identity import START, extend, listing_digest, run_id
from chalicelib.model import S3Object

texts = st.text(max_size=20)
pairs = st.lists(
    st.builds(lambda name, size, etag: (name, S3Object(name, size, etag)), texts, st.integers(0, 10**13), texts),
    max_size=8,
)


def field(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def id_of(pipeline: str = "digits", digest: str = "d", **changed: str) -> str:
    parts = {"training_part": "{}", "code_digest": "c", "image": "sklearn:1.2-1"} | changed
    return run_id(pipeline, digest, **parts)


def test_one_object_is_chained_in_the_layout_that_the_docstring_promises() -> None:
    entry = field("training/é.png".encode()) + field(b"12") + field(b"abc-2")
    expected = hashlib.sha256(bytes(32) + entry).hexdigest()
    assert listing_digest([("training/é.png", S3Object("k", 12, "abc-2"))]) == expected


def test_an_empty_listing_has_the_digest_it_starts_from() -> None:
    assert listing_digest([]) == START.hex()


@given(pairs, st.integers(0, 8))
def test_a_digest_goes_on_from_any_object_with_its_32_bytes(objects: list[tuple[str, S3Object]], cut: int) -> None:
    state = START
    for name, it in objects[:cut]:
        state = extend(state, name, it.size, it.etag)
    assert listing_digest(objects[cut:], state) == listing_digest(objects)


@given(pairs, pairs)
def test_two_listings_have_one_digest_only_if_they_are_the_same(
    one: list[tuple[str, S3Object]], other: list[tuple[str, S3Object]]
) -> None:
    assert (listing_digest(one) == listing_digest(other)) == (one == other)


def test_fields_cannot_flow_into_each_other() -> None:
    assert listing_digest([("a", S3Object("a", 11, "b"))]) != listing_digest([("a1", S3Object("a1", 1, "b"))])
    assert id_of("ab", "c") != id_of("a", "bc")


def test_when_an_object_was_uploaded_and_where_it_lies_are_no_content() -> None:
    one = listing_digest([("training/a", S3Object("datasets/p/d/training/a", 1, "e", modified=1))])
    other = listing_digest([("training/a", S3Object("datasets/p/x/training/a", 1, "e", modified=9))])
    assert one == other


def test_a_run_id_is_v1_and_64_hex_digits_and_changes_with_each_of_its_parts() -> None:
    changed = [
        id_of(),
        id_of("letters"),
        id_of(digest="e"),
        id_of(training_part='{"a":1}'),
        id_of(code_digest="x"),
        id_of(image="sklearn:1.0-1"),
        id_of(start="arn:champion"),
    ]
    assert len(set(changed)) == len(changed)
    assert all(re.fullmatch("v1[0-9a-f]{64}", name) for name in changed)


def test_a_run_id_never_changes_from_release_to_release() -> None:
    """A stored id is never recomputed, but a new drop of the same content must meet it."""
    assert (
        id_of()
        == "v1"
        + hashlib.sha256(b"".join(map(field, (b"digits", b"d", b"{}", b"c", b"sklearn:1.2-1", b"")))).hexdigest()
    )
