"""The parts of channels that read what others wrote: any bytes give a value, or one of our errors."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import struct
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropforge.local.sagemaker.jobs.channels import listing, objects, recordio, streams
from dropforge.local.sagemaker.jobs.channels.asked import Channel, InputError, Share

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["prefix", "a"]), inner, max_size=2),
    max_leaves=6,
)


class _OneObject:
    """An S3 that has one object under every name."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def get_object(self, **_: str) -> dict[str, Any]:
        return {"Body": io.BytesIO(self._body)}


def _channel(kind: str = "S3Prefix", **more: Any) -> Channel:
    return Channel(name="training", mode="Pipe", kind=kind, uri="s3://bucket/key", **more)


def _parts(body: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    return [body[start:end] for start, end in itertools.pairwise(edges)]


@given(st.lists(st.binary(max_size=200), max_size=4), st.lists(st.integers(0, 400), max_size=6))
def test_gzip_gives_back_what_was_packed_however_it_is_cut(members: list[bytes], cuts: list[int]) -> None:
    packed = b"".join(gzip.compress(member) for member in members)
    assert b"".join(objects.unzipped(_parts(packed, cuts), "s3://b/k")) == b"".join(members)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_gzip_are_our_error(body: bytes) -> None:
    with suppress(InputError):
        list(objects.unzipped([body], "s3://b/k"))


def test_a_small_gzip_of_much_comes_in_small_parts() -> None:
    packed = gzip.compress(bytes(50_000_000))
    sizes = [len(part) for part in objects.unzipped([packed], "s3://b/k")]
    assert sum(sizes) == 50_000_000
    assert max(sizes) <= objects.PART


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=3))
def test_a_record_is_what_its_description_says(payload: bytes, cuts: list[int]) -> None:
    framed = b"".join(recordio.record(len(payload), _parts(payload, cuts), "any"))
    assert struct.unpack_from("<II", framed) == (0xCED7230A, len(payload))
    assert framed[8 : 8 + len(payload)] == payload
    assert len(framed) % 4 == 0
    assert not any(framed[8 + len(payload) :])


def test_what_no_record_can_hold_is_refused_before_a_byte_of_it() -> None:
    with pytest.raises(InputError, match="which no record can hold"):
        next(recordio.record(1 << 29, [], "any"))


@given(st.integers(0, 40), st.integers(1, 8), st.none() | st.integers(0, 2**63), st.integers(0, 5))
def test_shares_are_even_and_together_they_are_the_whole(count: int, of: int, seed: int | None, epoch: int) -> None:
    shares = []
    for number in range(of):
        channel = _channel(seed=seed, share=Share(number, of))
        shares.append(list(listing.share(channel, listing.order(channel, range(count), epoch))))
    assert sorted(one for each in shares for one in each) == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@settings(deadline=None)
@given(st.binary(max_size=60) | _JSON.map(lambda value: json.dumps(value).encode()))
def test_any_manifest_lists_keys_or_is_our_error(body: bytes) -> None:
    with suppress(InputError):
        for item in listing.items(_OneObject(body), _channel("ManifestFile")):
            assert isinstance(item.key, str)


@given(st.binary(max_size=60) | _JSON.map(lambda value: json.dumps(value).encode()))
def test_any_line_of_an_augmented_manifest_has_what_was_asked_or_is_our_error(body: bytes) -> None:
    with suppress(InputError):
        assert "a" in streams._line(body, _channel("AugmentedManifestFile", attributes=("a",)))  # noqa: SLF001 - the parser itself
