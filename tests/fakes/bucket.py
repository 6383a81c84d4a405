"""A bucket in memory: keys in UTF-8 order, pages of at most 1,000, times in whole seconds, ETags as S3 makes them."""

from __future__ import annotations

import hashlib
import json
import math
from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from chalicelib.errors import NotFoundError, RefusedError
from chalicelib.model import S3Object
from chalicelib.ports import Clock, Page

KEY_LIMIT = 1024


@dataclass(frozen=True, slots=True)
class Body:
    about: S3Object
    content: bytes
    content_type: str


@dataclass(slots=True)
class FakeUpload:
    """A multipart upload that has begun: it sends no event and lists nothing until it is complete."""

    bucket: FakeBucket
    key: str
    begun: float

    def complete(self, content: bytes, *, parts: int = 2) -> S3Object:
        self.bucket.uploads.remove(self)
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return self.bucket.keep(self.key, content, "binary/octet-stream", etag=f"{digest}-{parts}")

    def abort(self) -> None:
        self.bucket.uploads.remove(self)


class FakeBucket:
    def __init__(self, clock: Clock, name: str = "bucket") -> None:
        self.name = name
        self.clock = clock
        self.reads = 0
        self.writes = 0
        self.uploads: list[FakeUpload] = []
        self.closed = False
        """Not to be read by us, as a bucket that does not exist."""
        self.others: dict[str, FakeBucket] = {}
        self._keys: list[str] = []
        self._bodies: dict[str, Body] = {}

    # What the flows ask (chalicelib.ports.Bucket).

    def page(self, prefix: str, *, after: str = "", limit: int = 1000) -> Page[S3Object]:
        self.reads += 1
        self._must_be_open()
        return _page([self._bodies[key].about for key in self._under(prefix, after, limit + 1)], limit)

    def read(self, key: str, *, limit: int | None = None) -> bytes:
        self.reads += 1
        if key not in self._bodies:
            raise NotFoundError(f"There is no object {key}.", key=key)
        content = self._bodies[key].content
        if limit is not None and len(content) > limit:
            raise RefusedError(f"{key} has {len(content)} bytes; at most {limit} are read.", key=key, limit=limit)
        return content

    def write(self, key: str, body: bytes, *, content_type: str = "application/json") -> None:
        self.writes += 1
        self.keep(key, body, content_type)

    def read_from(self, key: str, start: int, *, limit: int) -> bytes:
        self.reads += 1
        if key not in self._bodies:
            raise NotFoundError(f"There is no object {key}.", key=key)
        return self._bodies[key].content[start : start + limit]

    def write_long(self, key: str, pieces: Iterable[bytes], *, content_type: str = "application/json") -> None:
        content = b"".join(pieces)
        self.writes += 1
        self.keep(key, content, content_type)

    def head(self, key: str) -> S3Object | None:
        self.reads += 1
        self._must_be_open()
        return self._bodies[key].about if key in self._bodies else None

    def open_uploads(self, prefix: str, *, since: float) -> bool:
        self.reads += 1
        return any(upload.key.startswith(prefix) and upload.begun > since for upload in self.uploads)

    def link(self, key: str, *, seconds: int) -> str:
        return f"https://{self.name}.test/{quote(key)}?X-Amz-Expires={seconds}&X-Amz-Signature=fake"

    def elsewhere(self, name: str) -> FakeBucket:
        if name == self.name:
            return self
        if name not in self.others:
            self.others[name] = FakeBucket(self.clock, name)
            self.others[name].closed = True
        return self.others[name]

    def prefixes(self, prefix: str, *, after: str = "", limit: int = 1000) -> Page[str]:
        self.reads += 1
        capped = min(limit, 1000)
        found: list[str] = []
        for key in self._under(prefix, after, None):
            rest = key[len(prefix) :]
            name = prefix + rest.split("/", 1)[0] + "/" if "/" in rest else key
            if name <= after or found[-1:] == [name]:
                continue
            if len(found) == capped:
                return Page(tuple(found), found[-1])
            found.append(name)
        return Page(tuple(found))

    # What a test does: a user's side of the bucket.

    @property
    def calls(self) -> int:
        return self.reads + self.writes

    def put(self, key: str, body: bytes | str = b"", *, content_type: str = "binary/octet-stream") -> S3Object:
        """Upload as a user would; a part of no flow, so it counts as no write of ours."""
        return self.keep(key, body.encode() if isinstance(body, str) else body, content_type)

    def remove(self, key: str) -> None:
        del self._bodies[key]
        self._keys.remove(key)

    def begin_upload(self, key: str) -> FakeUpload:
        upload = FakeUpload(self, key, self.clock())
        self.uploads.append(upload)
        return upload

    def keys(self, prefix: str = "") -> tuple[str, ...]:
        return tuple(self._under(prefix, "", None))

    def peek(self, key: str) -> bytes:
        return self._bodies[key].content

    def peek_json(self, key: str) -> Any:
        return json.loads(self.peek(key))

    def peek_type(self, key: str) -> str:
        return self._bodies[key].content_type

    def keep(self, key: str, content: bytes, content_type: str, *, etag: str | None = None) -> S3Object:
        if not 0 < len(key.encode()) <= KEY_LIMIT:
            raise RefusedError(f"A key has 1 to {KEY_LIMIT} bytes; this one has {len(key.encode())}.", key=key)
        digest = etag or hashlib.md5(content, usedforsecurity=False).hexdigest()
        about = S3Object(key, len(content), digest, float(math.floor(self.clock())))
        if key not in self._bodies:
            insort(self._keys, key)
        self._bodies[key] = Body(about, bytes(content), content_type)
        return replace(about)

    def other(self, name: str) -> FakeBucket:
        """Open a bucket of somebody else's."""
        made = self.elsewhere(name)
        made.closed = False
        return made

    def _must_be_open(self) -> None:
        if self.closed:
            raise RefusedError(f"The bucket {self.name} cannot be read from here.", bucket=self.name)

    def _under(self, prefix: str, after: str, limit: int | None) -> Iterator[str]:
        start = bisect_right(self._keys, after) if after >= prefix else bisect_right(self._keys, prefix)
        if after < prefix and prefix in self._bodies:
            start -= 1
        for given, key in enumerate(self._keys[start:]):
            if not key.startswith(prefix) or (limit is not None and given >= limit):
                return
            yield key


def _page(found: list[S3Object], limit: int) -> Page[S3Object]:
    capped = min(limit, 1000)
    return Page(tuple(found[:capped]), found[capped - 1].key if len(found) > capped else None)
