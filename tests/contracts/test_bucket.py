"""What `ports.Bucket` promises."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from chalicelib.errors import NotFoundError, RefusedError
from tests.contracts.worlds import ContractWorld

ODD = (
    "datasets/p/d/training/ leading space.png",
    "datasets/p/d/training/a b.png",
    "datasets/p/d/training/a+b.png",
    "datasets/p/d/training/a%2Fb.png",
    "datasets/p/d/training/a&b=c?.png",
    "datasets/p/d/training/a<b>'\".png",
    "datasets/p/d/training/Zebra.png",
    "datasets/p/d/training/zebra.png",
    "datasets/p/d/training/ünï/žluťoučký.png",
    "datasets/p/d/training/日本語.png",
    "datasets/p/d/training/\U0001f600.png",
    "datasets/p/d/training/" + "x" * (1024 - len("datasets/p/d/training/")),
)


def put_all(world: ContractWorld, *keys: str) -> None:
    for key in keys:
        world.put(key, key.encode())


def test_a_page_lists_every_key_as_it_is_in_the_order_of_its_bytes(world: ContractWorld) -> None:
    put_all(world, *ODD)
    page = world.bucket.page("datasets/")
    assert [item.key for item in page.items] == sorted(ODD, key=str.encode)
    assert page.next is None


def test_every_odd_key_can_be_read_back(world: ContractWorld) -> None:
    put_all(world, *ODD)
    assert [world.bucket.read(key) for key in ODD] == [key.encode() for key in ODD]


def test_every_odd_key_can_be_gone_on_from(world: ContractWorld) -> None:
    put_all(world, *ODD)
    ordered = sorted(ODD, key=str.encode)
    for place, key in enumerate(ordered):
        assert [item.key for item in world.bucket.page("datasets/", after=key).items] == ordered[place + 1 :]


def test_a_page_tells_size_etag_and_time(world: ContractWorld) -> None:
    put = world.put("a/b", b"hello")
    (item,) = world.bucket.page("a/").items
    assert item == put
    assert (item.size, item.etag) == (5, hashlib.md5(b"hello", usedforsecurity=False).hexdigest())
    assert item.modified > 0
    assert item.modified == int(item.modified)


def test_a_prefix_is_plain_and_takes_what_is_next_to_it_too(world: ContractWorld) -> None:
    put_all(world, "a/train/1", "a/training/1", "a/tra", "b")
    assert [item.key for item in world.bucket.page("a/train").items] == ["a/train/1", "a/training/1"]


def test_a_key_that_is_the_prefix_itself_is_listed(world: ContractWorld) -> None:
    put_all(world, "a/", "a/1")
    assert [item.key for item in world.bucket.page("a/").items] == ["a/", "a/1"]


def test_pages_follow_one_another_without_gap_or_overlap(world: ContractWorld) -> None:
    keys = [f"a/{number:02}" for number in range(7)]
    put_all(world, *keys, "b/1")
    seen: list[str] = []
    after: str | None = ""
    sizes = []
    while after is not None:
        page = world.bucket.page("a/", after=after, limit=3)
        sizes.append(len(page.items))
        seen += [item.key for item in page.items]
        after = page.next
    assert (seen, sizes) == (keys, [3, 3, 1])


def test_a_page_that_takes_the_last_key_says_that_there_is_no_more(world: ContractWorld) -> None:
    put_all(world, "a/1", "a/2", "b/1")
    assert world.bucket.page("a/", limit=2).next is None
    assert world.bucket.page("a/", limit=1).next == "a/1"


def test_a_page_goes_on_after_a_key_that_is_gone(world: ContractWorld) -> None:
    put_all(world, "a/1", "a/3")
    assert [item.key for item in world.bucket.page("a/", after="a/2").items] == ["a/3"]


def test_an_empty_prefix_gives_an_empty_page(world: ContractWorld) -> None:
    page = world.bucket.page("nothing/")
    assert (page.items, page.next) == ((), None)


def test_a_key_that_is_not_there_is_not_found(world: ContractWorld) -> None:
    with pytest.raises(NotFoundError):
        world.bucket.read("nothing")
    assert world.bucket.head("nothing") is None


def test_an_object_larger_than_the_limit_is_refused_and_told_by_name(world: ContractWorld) -> None:
    world.put("big", b"x" * 11)
    assert world.bucket.read("big", limit=11) == b"x" * 11
    with pytest.raises(RefusedError, match="big has 11 bytes; at most 10"):
        world.bucket.read("big", limit=10)


def test_an_empty_object_is_an_object(world: ContractWorld) -> None:
    world.put("empty", b"")
    seen = world.bucket.head("empty")
    assert world.bucket.read("empty", limit=0) == b""
    assert seen is not None
    assert seen.size == 0


def test_what_is_written_is_read_back_with_its_type(world: ContractWorld) -> None:
    world.bucket.write("status/p.json", b"{}")
    world.bucket.write("runs/p/source.tar.gz", b"tar", content_type="application/gzip")
    assert world.bucket.read("status/p.json") == b"{}"
    assert world.content_type("status/p.json") == "application/json"
    assert world.content_type("runs/p/source.tar.gz") == "application/gzip"


def test_writing_again_replaces(world: ContractWorld) -> None:
    world.bucket.write("a", b"one")
    world.bucket.write("a", b"other")
    assert world.bucket.read("a") == b"other"
    assert len(world.bucket.page("a").items) == 1


def test_a_part_of_an_object_is_read_from_an_offset_and_nothing_behind_its_end(world: ContractWorld) -> None:
    world.put("a", b"0123456789")
    read = world.bucket.read_from
    assert [read("a", start, limit=4) for start in (0, 4, 8, 10, 99)] == [b"0123", b"4567", b"89", b"", b""]
    world.put("empty", b"")
    assert read("empty", 0, limit=4) == b""
    with pytest.raises(NotFoundError):
        read("nothing", 0, limit=4)


@pytest.mark.parametrize("megabytes", [0, 1, 8, 19])
def test_a_long_object_is_written_as_its_pieces_come(world: ContractWorld, megabytes: int) -> None:
    half = 512 * 1024
    pieces = [bytes([number]) * half for number in range(2 * megabytes)]
    world.bucket.write_long("long", iter([*pieces, b"end"]), content_type="text/plain")
    seen = world.bucket.head("long")
    assert seen is not None
    assert seen.size == 2 * megabytes * half + 3
    assert world.bucket.read_from("long", seen.size - 3, limit=9) == b"end"
    assert world.bucket.read("long") == b"".join(pieces) + b"end"
    assert world.content_type("long") == "text/plain"


def test_a_long_object_whose_pieces_break_off_is_not_there(world: ContractWorld) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"x" * 9 * 1024 * 1024
        raise RefusedError("no more")

    with pytest.raises(RefusedError):
        world.bucket.write_long("long", pieces())
    assert world.bucket.head("long") is None


def test_a_head_is_what_a_page_says(world: ContractWorld) -> None:
    put_all(world, *ODD)
    for item in world.bucket.page("datasets/").items:
        assert world.bucket.head(item.key) == item


def test_an_open_upload_is_seen_until_it_is_complete(world: ContractWorld) -> None:
    upload = world.begin_upload("datasets/p/d/training/big one.bin")
    assert world.bucket.open_uploads("datasets/p/d/", since=0)
    assert not world.bucket.open_uploads("datasets/p/other/", since=0)
    upload.complete(b"content")
    assert not world.bucket.open_uploads("datasets/p/d/", since=0)
    assert world.bucket.read("datasets/p/d/training/big one.bin") == b"content"


def test_an_upload_lists_nothing_before_it_is_complete(world: ContractWorld) -> None:
    upload = world.begin_upload("datasets/p/d/training/big.bin")
    assert world.bucket.page("datasets/").items == ()
    assert world.bucket.head("datasets/p/d/training/big.bin") is None
    upload.abort()
    assert not world.bucket.open_uploads("datasets/", since=0)


def test_an_upload_begun_before_is_not_waited_for(world: ContractWorld) -> None:
    upload = world.begin_upload("datasets/p/d/training/abandoned.bin")
    assert not world.bucket.open_uploads("datasets/p/d/", since=4_000_000_000)
    upload.abort()


def test_the_etag_of_an_upload_in_parts_says_so(world: ContractWorld) -> None:
    world.begin_upload("a/parts").complete(b"content")
    (item,) = world.bucket.page("a/").items
    assert "-" in item.etag
    assert item.size == len(b"content")


def test_a_link_downloads_without_keys(world: ContractWorld) -> None:
    for key in ODD[:-1]:
        world.put(key, key.encode())
        assert world.download(world.bucket.link(key, seconds=60)) == key.encode()


def test_a_link_ends(world: ContractWorld) -> None:
    assert "X-Amz-Expires=77" in world.bucket.link("a", seconds=77)


def test_folders_and_keys_directly_under_a_prefix_are_told_once_each(world: ContractWorld) -> None:
    put_all(world, "d/one/a/1", "d/one/b/1", "d/one.zip", "d/two/1", "d/two/2", "d/three", "e/1")
    page = world.bucket.prefixes("d/")
    assert page.items == ("d/one.zip", "d/one/", "d/three", "d/two/")
    assert page.next is None


def test_pages_of_folders_follow_one_another_without_gap_or_overlap(world: ContractWorld) -> None:
    put_all(world, "d/a b/1", "d/a b/2", "d/a+b/1", "d/b", "d/c/1", "d/c/2", "d/é/1")
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        page = world.bucket.prefixes("d/", after=after, limit=2)
        assert len(page.items) <= 2
        seen += page.items
        after = page.next
    assert seen == ["d/a b/", "d/a+b/", "d/b", "d/c/", "d/é/"]


def test_a_prefix_without_anything_has_no_folders(world: ContractWorld) -> None:
    assert world.bucket.prefixes("nothing/").items == ()


def test_another_bucket_is_listed_and_looked_into(world: ContractWorld) -> None:
    world.put("shared/1.csv", b"ours")
    other = world.bucket.elsewhere(world.put_elsewhere("shared/1.csv", b"somebody else's"))
    (item,) = other.page("shared/").items
    assert (item.key, item.size) == ("shared/1.csv", 15)
    assert other.head("shared/1.csv") == item
    assert other.head("shared/2.csv") is None
    assert [it.size for it in world.bucket.page("shared/").items] == [4]


def test_our_own_bucket_is_found_by_its_name(world: ContractWorld) -> None:
    put_all(world, "a/1")
    assert [it.key for it in world.bucket.elsewhere(world.bucket.name).page("a/").items] == ["a/1"]


def test_a_bucket_that_is_not_there_is_refused_by_name(world: ContractWorld) -> None:
    name = f"{world.bucket.name}-none"
    with pytest.raises(RefusedError, match=name):
        world.bucket.elsewhere(name).page("a/")
