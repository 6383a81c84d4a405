"""The bucket as a user sees it: put objects under pipelines/ and datasets/, read what status/ says."""

from __future__ import annotations

import json
import mimetypes
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from dropforge.cli.cloud import Place
from dropforge.cli.errors import UsageError

_PIPELINE = re.compile(r"[a-z0-9](-?[a-z0-9])*")
_PIPELINE_LIMIT = 20
_JUNK = re.compile(r"^(\.DS_Store|Thumbs\.db|desktop\.ini|__MACOSX|__pycache__|\.git|\._.*|.*\.pyc)$")
_MULTIPART = 64 * 2**20
_MISSING = {"NoSuchKey", "404"}


@dataclass(frozen=True, slots=True)
class Status:
    """What status/… says, and when it was written by the bucket's clock."""

    said: dict[str, Any]
    at: datetime

    @property
    def state(self) -> str:
        return str(self.said.get("state"))


class Bucket:
    def __init__(self, place: Place) -> None:
        """Work on the bucket of `place`."""
        self.name = place.bucket
        self._client = place.client("s3")

    def put_file(self, key: str, path: Path) -> None:
        """Upload a file, in parts where it is large."""
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        if path.stat().st_size >= _MULTIPART:
            self._client.upload_file(str(path), self.name, key, ExtraArgs={"ContentType": kind})
        else:
            self.put(key, path.read_bytes(), kind)

    def put(self, key: str, body: bytes, kind: str = "application/octet-stream") -> None:
        self._client.put_object(Bucket=self.name, Key=key, Body=body, ContentType=kind)

    def remove(self, key: str) -> None:
        self._client.delete_object(Bucket=self.name, Key=key)

    def keys(self, prefix: str) -> Iterator[str]:
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix):
            for item in page.get("Contents", ()):
                yield item["Key"]

    def modified(self, key: str) -> datetime:
        """Tell when an object was written, by the bucket's clock."""
        at: datetime = self._client.head_object(Bucket=self.name, Key=key)["LastModified"]
        return at

    def status(self, name: str) -> Status | None:
        """Read status/<name>.json: of a pipeline, or of `pipeline/dataset`."""
        try:
            found = self._client.get_object(Bucket=self.name, Key=f"status/{name}.json")
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                return None
            raise
        return Status(json.loads(found["Body"].read()), found["LastModified"])


def check_pipeline(name: str) -> str:
    if len(name) > _PIPELINE_LIMIT or not _PIPELINE.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot name a pipeline: up to {_PIPELINE_LIMIT} small letters, digits and single hyphens; "
            "choose one with --name."
        )
    return name


def files_under(folder: Path) -> list[Path]:
    """Name every file under a folder in key order, without what file managers and Python leave behind."""
    found = (path for path in folder.rglob("*") if path.is_file())
    kept = (path for path in found if not any(_JUNK.match(part) for part in path.relative_to(folder).parts))
    return sorted(kept, key=lambda path: path.relative_to(folder).as_posix().encode())
