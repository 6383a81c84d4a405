"""Listing a dataset in looks: each lists as much as one invocation takes, and writes down what it found.

What a look found is written down in an object under `runs/_sealing/`, as JSON with a line for each file. It is named by
the digests before and after it, so that two workers who look at once write the same bytes, or different objects. Nobody
deletes those: the bucket's lifecycle does, when they have been used or given up for long.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from chalicelib.decide.keys import Part, folder, read_key, single_stem
from chalicelib.decide.layout import OBJECT_LIMIT, Survey
from chalicelib.decide.listing import Row, Source, begin, fold, next_source
from chalicelib.model import Dataset, DatasetId, Listing, S3Object
from chalicelib.names import is_junk, sealing_key
from chalicelib.ports import Bucket, Clock, Page

PAGES = 50
"""Of a thousand objects each: what one look lists at most."""
BYTES = 16 * 1024 * 1024
"""What its files may need in memory, as they are written down."""
SECONDS = 20.0

SEPARATOR = b",\n"
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def look(bucket: Bucket, seen: Dataset, sources: Sequence[Source], clock: Clock) -> Survey:
    """List on from where the dataset's last look ended, and write down what is not complete yet."""
    before = begin(seen.listing, clock())
    listing, rows = _list_on(bucket, before, sources, clock)
    if listing.source == len(sources):
        singles = () if seen.sources else tuple(_singles(bucket, seen))
        return Survey(seen.id, listing, singles, rows=rows)
    if rows and listing.listed <= OBJECT_LIMIT:
        key = sealing_key(seen.id.pipeline, seen.id.name, before.digest, listing.digest)
        bucket.write(key, rows)
        listing = replace(listing, pieces=(*listing.pieces, key))
    return Survey(seen.id, listing, complete=False)


def written(bucket: Bucket, found: Survey) -> Iterator[bytes]:
    """Give the rows of a whole listing, some megabytes at a time: what was written down, and what needed no writing."""
    for key in found.listing.pieces:
        yield bucket.read(key)
    if found.rows:
        yield found.rows


def lying(bucket: Bucket, dataset: DatasetId) -> Iterator[S3Object]:
    """Give what lies under a dataset's name, a page of its folder at most: nobody may have told of it yet."""
    yield from (it for it in bucket.page(folder(dataset)).items if not is_junk(it.key))
    yield from _singles(bucket, Dataset(dataset))


def list_page(bucket: Bucket, source: Source, after: str) -> Page[S3Object]:
    there = bucket if source.bucket == bucket.name else bucket.elsewhere(source.bucket)
    if not source.only:
        return there.page(source.prefix, after=after)
    found = there.head(source.prefix + source.only)
    return Page((found,) if found is not None and found.key > after else ())


def in_lines(rows: Iterable[Row]) -> bytes:
    return SEPARATOR.join(_encode([row.name, row.size, row.etag]).encode() for row in rows)


def _list_on(bucket: Bucket, listing: Listing, sources: Sequence[Source], clock: Clock) -> tuple[Listing, bytes]:
    """List page by page, as far as one look goes; gives the files that it found, too."""
    lines, size, end = [], 0, clock() + SECONDS
    for _ in range(PAGES):
        source = sources[listing.source]
        page = list_page(bucket, source, listing.after)
        listing, rows = fold(listing, source, page.items)
        if rows:
            lines.append(in_lines(rows))
            size += len(lines[-1])
        if page.next is None:
            listing = next_source(listing)
        if listing.source == len(sources) or size > BYTES or clock() >= end:
            break
    return listing, SEPARATOR.join(lines)


def _singles(bucket: Bucket, seen: Dataset) -> Iterator[S3Object]:
    """Find the single objects of that name, whatever their extension: one page of them is plenty."""
    stem, hint = single_stem(seen.id), seen.single
    listed = bucket.prefixes(f"{stem}.").items
    for key in sorted({stem, *([hint] if hint else []), *(key for key in listed if not key.endswith("/"))}):
        drop = read_key(key)
        if drop and drop.part is Part.SINGLE and drop.dataset == seen.id and (found := bucket.head(key)):
            yield found
