"""A listing is a fold over objects in key order: cut anywhere and stored meanwhile, it ends in the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.aws import items
from chalicelib.decide.identity import listing_digest
from chalicelib.decide.listing import LIFE, SHOWN, Source, begin, fold, is_bad_name, next_source
from chalicelib.model import Dataset, DatasetId, Finds, Listing, S3Object, Tally

MNIST = DatasetId("digits", "mnist")
FOLDER = Source("bucket", "datasets/digits/mnist/")

# Few letters, so that one name often begins another; "-" and "." sort before "/", "0" behind it.
names = st.lists(st.text("ab-./0", min_size=1, max_size=6), max_size=12, unique=True)


def objects(found: Sequence[str], *, empty: str = "") -> list[S3Object]:
    keys = sorted(FOLDER.prefix + name for name in found)
    return [S3Object(key, 0 if key.endswith(empty or "\0") else len(key), "e", float(len(key))) for key in keys]


def whole(found: Sequence[S3Object], source: Source = FOLDER) -> Listing:
    return fold(Listing(), source, found)[0]


def stored(listing: Listing) -> Listing:
    """Give a listing as the table gives it back."""
    item = items.machine_item(Dataset(MNIST, listing=listing))
    found = items.read_item(item, Dataset).listing
    assert found is not None
    return found


@given(names, st.lists(st.integers(0, 12), max_size=4))
@example(["a", "a-", "a-/b", "a/b"], [1, 2, 3])
def test_a_listing_that_is_cut_and_stored_ends_as_one_that_is_not(found: list[str], cuts: list[int]) -> None:
    some = objects(found)
    listing, rows, start = Listing(), [], 0
    for cut in [*sorted(cuts), len(some)]:
        listing, more = fold(stored(listing), FOLDER, some[start:cut])
        rows += more
        start = max(start, cut)
    assert listing == whole(some)
    assert rows == fold(Listing(), FOLDER, some)[1]


@given(names)
@example(["a", "a-", "a-/b", "a/b", "a0"])
def test_a_file_that_is_a_folder_too_is_found_and_no_other(found: list[str]) -> None:
    data = [name for name in found if not name.endswith("/")]
    clashing = {name for name in data if any(other.startswith(f"{name}/") for other in data)}
    seen = whole(objects(found)).clashes
    assert seen.count == len(clashing)
    assert {key.removeprefix(FOLDER.prefix) for key in seen.keys} <= clashing
    assert len(seen.keys) == min(SHOWN, len(clashing))


@given(names)
def test_strays_and_bad_names_are_counted_and_the_first_are_named(found: list[str]) -> None:
    data = sorted(name for name in found if not name.endswith("/"))
    listing = whole(objects(found))
    for seen, wrong in (
        (listing.strays, [name for name in data if "/" not in name]),
        (listing.bad_names, [name for name in data if is_bad_name(name)]),
    ):
        assert seen == Finds(tuple(FOLDER.prefix + name for name in wrong[:SHOWN]), len(wrong))


@given(names)
def test_the_digest_is_that_of_the_files_in_order(found: list[str]) -> None:
    some = [it for it in objects(found) if not it.key.endswith("/")]
    expected = listing_digest((it.key.removeprefix(FOLDER.prefix), it) for it in some)
    assert whole(objects(found)).digest == expected


def test_what_is_no_data_counts_for_nothing_but_run_toml_for_itself() -> None:
    found = whole(objects(["_READY", "run.toml", "training/.DS_Store", "training/a", "training/run.toml"]))
    assert found.objects == 2
    assert found.listed == 5
    assert found.overrides
    assert found.digest == whole(objects(["training/a", "training/run.toml"])).digest
    assert not whole(objects(["training/run.toml"])).overrides


def test_junk_is_never_the_newest() -> None:
    assert whole([S3Object(f"{FOLDER.prefix}a/.DS_Store", 1, "e", 9.0)]).newest == 0.0
    assert whole([S3Object(f"{FOLDER.prefix}_READY", 0, "e", 9.0)]).newest == 9.0


def test_channels_are_counted_each_and_too_many_only_by_number() -> None:
    found = whole(objects([f"c{number:02}/{file}" for number in range(30) for file in "ab"]))
    assert len(found.channels) == 21
    assert found.channels[0] == Tally("c00", 2, 2 * len(f"{FOLDER.prefix}c00/a"))
    assert found.more_channels == 9


def test_the_same_files_are_the_same_content_wherever_they_lie() -> None:
    here = whole(objects(["evaluation/b", "training/a"]))
    listing = Listing()
    for channel, key in (("evaluation", "b"), ("training", "a")):
        source = Source("elsewhere", f"data/{channel}-2026/", f"{channel}/")
        size = len(f"{FOLDER.prefix}{channel}/{key}")
        listing, _ = fold(listing, source, [S3Object(f"{source.prefix}{key}", size, "e")])
        listing = next_source(listing)
    assert listing.digest == here.digest
    assert [(it.channel, it.objects) for it in listing.channels] == [("evaluation", 1), ("training", 1)]
    assert (listing.source, listing.after) == (2, "")


@pytest.mark.parametrize(("age", "goes_on"), [(0, True), (LIFE - 1, True), (LIFE, False)])
def test_a_listing_that_stood_still_for_a_day_begins_anew(age: float, *, goes_on: bool) -> None:
    under_way = Listing(began=1000.0, listed=7)
    assert begin(under_way, 1000 + age) == (under_way if goes_on else Listing(began=1000 + age))
    assert begin(None, 5.0) == Listing(began=5.0)


def test_what_is_remembered_does_not_grow_with_the_objects() -> None:
    few, many = (
        len(items.machine_item(Dataset(MNIST, listing=whole(objects([f"t/{n:06}" for n in range(count)]))))["doc"]["S"])
        for count in (10, 10_000)
    )
    assert many - few < 20


def test_at_worst_it_fits_into_the_table_many_times() -> None:
    """A thousand files that begin each other, all with something wrong, and keys as long as S3 takes them."""
    longest = 1024 - len(FOLDER.prefix)
    some = [S3Object(FOLDER.prefix + "-" * length, 0, "e") for length in range(1, longest)]
    listing = whole(some)
    assert len(listing.files) == longest - 2
    assert len(items.machine_item(Dataset(MNIST, listing=listing))["doc"]["S"]) < 60_000
    assert fold(listing, FOLDER, [replace(some[-1], key=FOLDER.prefix + "-/a")])[0].clashes.count == 1
