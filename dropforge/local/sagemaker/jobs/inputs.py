"""Channels: what a job asked for in S3, brought into `/opt/ml/input/data/<channel>/`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import urllib3
from botocore.exceptions import ClientError

from dropforge.local.sagemaker.artifacts import split_uri
from dropforge.local.sagemaker.errors import ValidationError

_AT_ONCE = 2  # the S3 beside us is one process: more askers only get in one another's way
_COPY = 1024 * 1024
_LONGEST_PART = 255  # bytes; what file systems take

_CONNECTIONS = urllib3.PoolManager(maxsize=_AT_ONCE, retries=urllib3.Retry(3, redirect=0), timeout=60)


class InputError(Exception):
    """The data cannot be brought to the job; becomes its FailureReason, as a ClientError."""


@dataclass(frozen=True, slots=True)
class Item:
    """One object, and the path it gets below the channel's folder."""

    bucket: str
    key: str
    path: str


def check(s3: Any, channel: Mapping[str, Any], role: str, region: str) -> None:
    """Refuse at once what SageMaker refuses at once: a source that names nothing."""
    source = _source(channel)
    bucket, key = split_uri(source["S3Uri"])
    try:
        found = s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("KeyCount", 0)
    except ClientError:
        found = 0
    if not found:
        uri = source["S3Uri"]
        raise ValidationError(
            f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the bucket exists'
            f' in the selected region ({region}), that objects exist under that S3 prefix, and that the role "{role}"'
            f' has "s3:ListBucket" permissions on bucket "{bucket}".'
        )


def fetch(s3: Any, channel: Mapping[str, Any], folder: Path, stopped: Callable[[], bool]) -> None:
    """Bring a channel's objects into its folder; InputError says what cannot be."""
    folder.mkdir(parents=True, exist_ok=True)
    items = list(_items(s3, channel))
    if not items:
        raise InputError(f"Data download failed: no S3 objects found under {_source(channel)['S3Uri']}.")
    _refuse_collisions(items)

    def bring(item: Item) -> None:
        if not stopped():
            _bring(s3, item, folder)

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="sagemaker-download") as pool:
        for _ in pool.map(bring, items):
            pass


def _items(s3: Any, channel: Mapping[str, Any]) -> Iterator[Item]:
    source = _source(channel)
    bucket, key = split_uri(source["S3Uri"])
    try:
        if source["S3DataType"] == "ManifestFile":
            yield from _manifest(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        else:
            yield from _prefix(s3, bucket, key)
    except ClientError as error:
        raise InputError(f"Data download failed: {source['S3Uri']}: {error}") from error


def _prefix(s3: Any, bucket: str, prefix: str) -> Iterator[Item]:
    """List a plain prefix. `…/train` finds `…/train/a` (as `a`), and `…/training/a`, too (as `training/a`)."""
    folder = prefix if prefix.endswith("/") or not prefix else f"{prefix}/"
    parent = prefix[: prefix.rfind("/") + 1]
    for answer in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for found in answer.get("Contents", ()):
            key = found["Key"]
            below = key.removeprefix(folder) if key.startswith(folder) else key.removeprefix(parent)
            if below:
                yield Item(bucket, key, below)


def _manifest(text: bytes) -> Iterator[Item]:
    """Read `[{"prefix": "s3://bucket/some/"}, "relative/key", …]`."""
    try:
        head, *names = json.loads(text)
        bucket, prefix = split_uri(head["prefix"])
    except (ValueError, TypeError, KeyError) as error:
        raise InputError("Data download failed: the manifest is not a list that begins with a prefix.") from error
    for name in names:
        if not isinstance(name, str):
            raise InputError(f"Data download failed: the manifest names something that is no key: {name!r}.")
        yield Item(bucket, prefix + name, name)


def _refuse_collisions(items: list[Item]) -> None:
    """Files live in folders: a key cannot be both, nor lead elsewhere. Known before the first byte is fetched."""
    files = {item.path for item in items if not item.path.endswith("/")}
    for item in items:
        parts = item.path.rstrip("/").split("/")
        if not all(parts) or {".", ".."} & set(parts):
            raise InputError(f"Data download failed: the key {item.key} cannot be the name of a file.")
        if any(len(part.encode()) > _LONGEST_PART for part in parts):
            raise InputError(
                f"Data download failed: a part of the key {item.key} is longer than {_LONGEST_PART} bytes."
            )
        for end in range(1, len(parts)):
            if "/".join(parts[:end]) in files:
                key = item.key.removesuffix(item.path) + "/".join(parts[:end])
                raise InputError(f"Data download failed: s3://{item.bucket}/{key} is both a file and a folder.")


def _bring(s3: Any, item: Item, folder: Path) -> None:
    target = folder / item.path
    try:
        if item.path.endswith("/"):
            target.mkdir(parents=True, exist_ok=True)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        _download(s3, item, target)
    except urllib3.exceptions.HTTPError as error:
        raise InputError(f"Data download failed: s3://{item.bucket}/{item.key}: {error}") from error
    except OSError as error:
        raise InputError(f"Data download failed: s3://{item.bucket}/{item.key}: {error.strerror}") from error


def _download(s3: Any, item: Item, target: Path) -> None:
    """Fetch one object by a signed link: half the price of GetObject, which counts where a channel has thousands."""
    link = s3.generate_presigned_url("get_object", Params={"Bucket": item.bucket, "Key": item.key})
    answer = _CONNECTIONS.request("GET", link, preload_content=False)
    try:
        if answer.status != HTTPStatus.OK:
            raise InputError(f"Data download failed: s3://{item.bucket}/{item.key}: {answer.status} {answer.reason}.")
        with target.open("wb") as out:
            for part in answer.stream(_COPY):
                out.write(part)
    finally:
        answer.release_conn()


def _source(channel: Mapping[str, Any]) -> Mapping[str, Any]:
    source: Mapping[str, Any] | None = channel["DataSource"].get("S3DataSource")
    if source is None:
        raise ValidationError(f"Channel {channel['ChannelName']} needs an S3DataSource.")
    return source
