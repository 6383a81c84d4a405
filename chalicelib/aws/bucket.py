"""The bucket, in S3."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.aws.clients import Clients, shared
from chalicelib.aws.errors import translated
from chalicelib.errors import NotFoundError, RefusedError
from chalicelib.model import S3Object
from chalicelib.ports import Page
from chalicelib.settings import Settings

PART = 8 * 1024 * 1024
"""Bytes of one part of a long object."""
_PAGE_LIMIT = 1000
_CLOSED = frozenset({"403", "AccessDenied", "AllAccessDisabled", "NoSuchBucket", "301", "PermanentRedirect"})
"""What S3 says of a bucket that is not there, not ours to read, or in another region."""
_LAST = "\U0010ffff"
"""Sorts behind every character that a key holds: what comes after `folder/` + this is no longer in the folder."""


class Bucket:
    def __init__(self, settings: Settings, clients: Clients | None = None, name: str | None = None) -> None:
        """`name` is that of a bucket of somebody else's."""
        self.name = name or settings.bucket
        self._settings = settings
        self._clients = clients or shared(settings.region)

    def page(self, prefix: str, *, after: str = "", limit: int = 1000) -> Page[S3Object]:
        answer = self._list(prefix, after, limit)
        items = tuple(_object(entry["Key"], entry["Size"], entry) for entry in answer.get("Contents", ()))
        return Page(items, items[-1].key if answer.get("IsTruncated") and items else None)

    def read(self, key: str, *, limit: int | None = None) -> bytes:
        with translated():
            answer = self._s3.get_object(Bucket=self.name, Key=key)
            with answer["Body"] as body:
                if limit is not None and answer["ContentLength"] > limit:
                    size = answer["ContentLength"]
                    raise RefusedError(f"{key} has {size} bytes; at most {limit} are read.", key=key, limit=limit)
                return bytes(body.read())

    def write(self, key: str, body: bytes, *, content_type: str = "application/json") -> None:
        with translated():
            self._s3.put_object(Bucket=self.name, Key=key, Body=body, ContentType=content_type)

    def read_from(self, key: str, start: int, *, limit: int) -> bytes:
        try:
            with translated():
                answer = self._s3.get_object(Bucket=self.name, Key=key, Range=f"bytes={start}-{start + limit - 1}")
                with answer["Body"] as body:
                    return bytes(body.read())
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "InvalidRange":
                return b""
            raise

    def write_long(self, key: str, pieces: Iterable[bytes], *, content_type: str = "application/json") -> None:
        """One part is in memory at a time; what a crash leaves of an upload, the bucket's lifecycle rule takes away."""
        parts = _parts(pieces)
        first = next(parts, b"")
        if len(first) < PART:
            self.write(key, first, content_type=content_type)
            return
        place = {"Bucket": self.name, "Key": key}
        with translated():
            upload = self._s3.create_multipart_upload(**place, ContentType=content_type)["UploadId"]
            done = [
                self._upload_part(place, upload, number, part) for number, part in enumerate(chain([first], parts), 1)
            ]
            self._s3.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": done})

    def _upload_part(self, place: dict[str, str], upload: str, number: int, part: bytes) -> dict[str, Any]:
        answer = self._s3.upload_part(**place, UploadId=upload, PartNumber=number, Body=part)
        return {"PartNumber": number, "ETag": answer["ETag"]}

    def head(self, key: str) -> S3Object | None:
        try:
            with translated():
                answer = self._s3.head_object(Bucket=self.name, Key=key)
        except NotFoundError:
            return None
        return _object(key, answer["ContentLength"], answer)

    def open_uploads(self, prefix: str, *, since: float) -> bool:
        with translated():
            pages = self._s3.get_paginator("list_multipart_uploads").paginate(Bucket=self.name, Prefix=prefix)
            return any(
                upload["Initiated"].timestamp() > since for answer in pages for upload in answer.get("Uploads", ())
            )

    def link(self, key: str, *, seconds: int) -> str:
        params = {"Bucket": self.name, "Key": key}
        return str(self._s3.generate_presigned_url("get_object", Params=params, ExpiresIn=seconds))

    def elsewhere(self, name: str) -> Bucket:
        return Elsewhere(self._settings, self._clients, name)

    def prefixes(self, prefix: str, *, after: str = "", limit: int = 1000) -> Page[str]:
        # Started at a folder, S3 would list that folder again, by what lies in it.
        start = after + _LAST if after.endswith("/") else after
        answer = self._list(prefix, start, limit, Delimiter="/")
        folders = [entry["Prefix"] for entry in answer.get("CommonPrefixes", ())]
        keys = [entry["Key"] for entry in answer.get("Contents", ())]
        found = tuple(sorted(name for name in (*folders, *keys) if name > after))
        return Page(found, found[-1] if answer.get("IsTruncated") and found else None)

    def _list(self, prefix: str, after: str, limit: int, **more: Any) -> dict[str, Any]:
        if after:
            more["StartAfter"] = after
        with translated():
            answer: dict[str, Any] = self._s3.list_objects_v2(
                Bucket=self.name, Prefix=prefix, MaxKeys=min(limit, _PAGE_LIMIT), **more
            )
        return answer

    @property
    def _s3(self) -> Any:
        return self._clients.get("s3")


class Elsewhere(Bucket):
    """A bucket of somebody else's: that it cannot be read is their no, and no fault of ours."""

    def head(self, key: str) -> S3Object | None:
        with self._readable():
            return super().head(key)

    def _list(self, prefix: str, after: str, limit: int, **more: Any) -> dict[str, Any]:
        with self._readable():
            return super()._list(prefix, after, limit, **more)

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in _CLOSED:
                raise
            raise RefusedError(
                f"The bucket {self.name} cannot be read from here: it must exist, its owner must allow it, and so must "
                "the stack's parameters SourceBuckets and SourceObjects.",
                bucket=self.name,
            ) from error


def _parts(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Cut what comes in pieces into parts of one size; the last may be shorter, and is all of it where that is little.

    S3 wants 5 MB at least in all parts but the last, and takes 10,000 of them.
    """
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= PART:
            yield bytes(held[:PART])
            del held[:PART]
    if held:
        yield bytes(held)


def _object(key: str, size: int, about: dict[str, Any]) -> S3Object:
    # A header tells whole seconds, a listing may tell more: one object has one time, however it was looked at.
    return S3Object(key, size, about["ETag"].strip('"'), float(int(about["LastModified"].timestamp())))
