"""Which objects a channel is made of, in which order, and which of them are one host's."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from dropforge.local.sagemaker.jobs.channels.asked import Channel, InputError
from dropforge.local.sagemaker.places import split_uri

Listed = TypeVar("Listed")


@dataclass(frozen=True, slots=True)
class Item:
    """One object, and the path it gets below the channel's folder."""

    bucket: str
    key: str
    path: str


def items(s3: Any, channel: Channel, epoch: int = 0) -> Iterator[Item]:
    """Give the objects of a channel that are this host's, in the order of this epoch."""
    return share(channel, order(channel, _items(s3, channel), epoch))


def order(channel: Channel, found: Iterable[Listed], epoch: int) -> Iterable[Listed]:
    """Draw an order from the seed where there is one: the same for all hosts, another for each epoch."""
    if channel.seed is None:
        return found
    drawn = list(found)
    random.Random(f"{channel.seed}/{epoch}").shuffle(drawn)  # noqa: S311 - an order, no secret
    return drawn


def share(channel: Channel, found: Iterable[Listed]) -> Iterator[Listed]:
    """Give every n-th: the shares are as even as can be, and together they are the whole."""
    for number, one in enumerate(found):
        if number % channel.share.of == channel.share.number:
            yield one


def _items(s3: Any, channel: Channel) -> Iterator[Item]:
    found = _manifest(s3, channel) if channel.kind == "ManifestFile" else _prefix(s3, channel.bucket, channel.key)
    empty = True
    try:
        for item in found:
            empty = False
            yield item
    except (BotoCoreError, ClientError) as error:
        raise InputError(f"Data download failed: {channel.uri}: {error}") from error
    if empty:
        raise InputError(f"Data download failed: no S3 objects found under {channel.uri}.")


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


def _manifest(s3: Any, channel: Channel) -> Iterator[Item]:
    """Read `[{"prefix": "s3://bucket/some/"}, "relative/key", …]`."""
    try:
        head, *names = json.loads(s3.get_object(Bucket=channel.bucket, Key=channel.key)["Body"].read())
        bucket, prefix = split_uri(head["prefix"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InputError("Data download failed: the manifest is not a list that begins with a prefix.") from error
    for name in names:
        if not isinstance(name, str):
            raise InputError(f"Data download failed: the manifest names something that is no key: {name!r}.")
        yield Item(bucket, prefix + name, name)
