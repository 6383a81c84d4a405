"""What became of a run's sealed files while its job read them: the sealed list beside a new listing, in key order.

Each look compares as much as one invocation takes, and says where the next one goes on. Files that were added are no
matter.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

from chalicelib.decide.listing import Row, Source, channel
from chalicelib.flows.listing import PAGES, SECONDS, list_page
from chalicelib.flows.sealing import read_home
from chalicelib.model import Comparison, Run, S3Object
from chalicelib.names import sealed_key
from chalicelib.ports import Bucket, Clock

SHOWN = 10
"""Changed keys that are remembered by name."""
_BLOCK = 4 * 1024 * 1024
"""Bytes of the sealed list that are read at once."""


def compare(bucket: Bucket, run: Run, clock: Clock) -> Comparison:
    """Compare on from where the last look ended. NotFoundError where the run's input was never frozen."""
    so_far = run.compared or Comparison()
    lines = _lines(bucket, sealed_key(run.pipeline, run.id), so_far.offset)
    if so_far.offset == 0:
        head, begin = next(lines)
        single = json.loads(head + b"]}")["single"]
        if single is not None:
            return _compare_single(bucket, single, _row(next(lines)[0]))
        so_far = replace(so_far, offset=begin)
    return _compare_rows(lines, _There(bucket, run, so_far.after, clock), so_far)


def _compare_single(bucket: Bucket, key: str, sealed: Row) -> Comparison:
    there = bucket.head(key)
    same = there is not None and (there.size, there.etag) == (sealed.size, sealed.etag)
    return Comparison(done=True) if same else Comparison(changed=(key,), count=1, done=True)


def _compare_rows(lines: Iterator[tuple[bytes, int]], there: _There, so_far: Comparison) -> Comparison:
    changed, count, offset = list(so_far.changed), so_far.count, so_far.offset
    try:
        for line, end in lines:
            sealed = _row(line)
            found = there.find(sealed.name)
            if found is None or (found.size, found.etag) != (sealed.size, sealed.etag):
                count += 1
                changed += [there.key(sealed.name)] if count <= SHOWN else []
            offset = end
    except _EnoughError:
        return Comparison(offset, there.after, tuple(changed), count)
    return Comparison(offset, there.after, tuple(changed), count, done=True)


class _EnoughError(Exception):
    """One look lists no more."""


class _There:
    """What lies now where a job read: listed in the order of the keys that are asked for, and never gone back."""

    def __init__(self, bucket: Bucket, run: Run, after: str, clock: Clock) -> None:
        self.after = after
        """The last relative key that was listed and is done with."""
        self._bucket, self._run, self._clock = bucket, run, clock
        self._pages, self._end = PAGES, clock() + SECONDS
        self._source: Source | None = None
        self._items: Iterator[S3Object] = iter(())
        self._held: S3Object | None = None
        """Listed, and to be met by a later key."""

    def find(self, name: str) -> S3Object | None:
        """Give what lies under a relative key; _EnoughError where that is for the next look to tell."""
        source = self._enter(channel(name))
        while (it := self._held or next(self._items, None)) is not None:
            self._held = it
            here = source.place + it.key[len(source.prefix) :]
            if here > name:
                return None
            self._held, self.after = None, here
            if here == name:
                return it
        return None

    def key(self, name: str) -> str:
        source = self._enter(channel(name))
        return source.prefix + name[len(source.place) :]

    def _enter(self, name: str) -> Source:
        """Begin to list a channel, or go on in it."""
        if self._source is None or self._source.place != f"{name}/":
            self._source = read_home(self._bucket, self._run.pipeline, self._run.id, name)
            self._items, self._held = self._list(self._source), None
        return self._source

    def _list(self, source: Source) -> Iterator[S3Object]:
        inside = self.after.startswith(source.place)
        after: str | None = source.prefix + self.after[len(source.place) :] if inside else ""
        while after is not None:
            if self._pages == 0 or self._clock() >= self._end:
                raise _EnoughError
            self._pages -= 1
            page = list_page(self._bucket, source, after)
            yield from page.items
            after = page.next


def _lines(bucket: Bucket, key: str, start: int) -> Iterator[tuple[bytes, int]]:
    """Read the lines of a sealed list from an offset on, each with the offset behind it."""
    rest = b""
    while block := bucket.read_from(key, start + len(rest), limit=_BLOCK):
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            start += len(line) + 1
            yield line, start
        if len(block) < _BLOCK:
            break
    if rest:
        yield rest, start + len(rest)


def _row(line: bytes) -> Row:
    """Read one line; the last has the end of the whole document behind it."""
    return Row(*json.loads(line.removesuffix(b"]}").rstrip(b",")))
