"""S3: buckets of keys in UTF-8 order, ETags as S3 makes them, times in whole seconds."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.proof.cloud.errors import refusal

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Thing:
    """An object."""

    key: str
    body: bytes
    etag: str
    at: float

    @property
    def about(self) -> dict[str, Any]:
        return {"ETag": f'"{self.etag}"', "LastModified": datetime.fromtimestamp(self.at, UTC)}


class S3:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.things: dict[str, Thing] = {}
        """By bucket and key: `bucket/key`."""
        self.most = 1000
        """Of a list, at most so many at once: S3 may give fewer than it is asked for."""

    def copy(self, clock: Clock) -> S3:
        made = S3(clock)
        made.things, made.most = dict(self.things), self.most
        return made

    def keep(self, bucket: str, key: str, body: bytes) -> Thing:
        digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
        made = self.things[f"{bucket}/{key}"] = Thing(key, body, digest, float(int(self.clock())))
        return made

    def under(self, bucket: str, prefix: str, after: str = "") -> Iterator[Thing]:
        head = f"{bucket}/{prefix}"
        keys = [key for key in self.things if key.startswith(head) and key > f"{bucket}/{after}"]
        return (self.things[key] for key in sorted(keys))

    def get_object(self, asked: dict[str, Any]) -> dict[str, Any]:
        found = self.things.get(f"{asked['Bucket']}/{asked['Key']}")
        if found is None:
            raise refusal("NoSuchKey", "The specified key does not exist.", "GetObject", 404)
        body = _part(found.body, asked["Range"]) if "Range" in asked else found.body
        return {"Body": io.BytesIO(body), "ContentLength": len(body), **found.about}

    def head_object(self, asked: dict[str, Any]) -> dict[str, Any]:
        found = self.things.get(f"{asked['Bucket']}/{asked['Key']}")
        if found is None:
            raise refusal("404", "Not Found", "HeadObject", 404)
        return {"ContentLength": len(found.body), **found.about}

    def put_object(self, asked: dict[str, Any]) -> dict[str, Any]:
        body = asked.get("Body", b"")
        made = self.keep(asked["Bucket"], asked["Key"], body if isinstance(body, bytes) else body.read())
        return {"ETag": f'"{made.etag}"'}

    def delete_object(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.things.pop(f"{asked['Bucket']}/{asked['Key']}", None)
        return {}

    def list_objects_v2(self, asked: dict[str, Any]) -> dict[str, Any]:
        limit, prefix, delimiter = (
            min(asked.get("MaxKeys", 1000), self.most),
            asked.get("Prefix", ""),
            asked.get("Delimiter", ""),
        )
        contents: list[dict[str, Any]] = []
        folders: list[str] = []
        for thing in self.under(asked["Bucket"], prefix, asked.get("StartAfter", "")):
            rest = thing.key[len(prefix) :]
            folder = prefix + rest.split(delimiter, 1)[0] + delimiter if delimiter and delimiter in rest else ""
            if folder and folders[-1:] == [folder]:
                continue
            if len(contents) + len(folders) == limit:
                return _page(contents, folders, truncated=True)
            if folder:
                folders.append(folder)
            else:
                contents.append({"Key": thing.key, "Size": len(thing.body), **thing.about})
        return _page(contents, folders, truncated=False)

    def list_multipart_uploads(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 (nobody begins one here)
        return {"IsTruncated": False}


def _part(body: bytes, asked: str) -> bytes:
    start, last = (int(place) for place in asked.removeprefix("bytes=").split("-"))
    if start >= len(body):
        raise refusal("InvalidRange", "The requested range is not satisfiable", "GetObject", 416)
    return body[start : last + 1]


def _page(contents: list[dict[str, Any]], folders: list[str], *, truncated: bool) -> dict[str, Any]:
    return {"IsTruncated": truncated, "Contents": contents, "CommonPrefixes": [{"Prefix": name} for name in folders]}
