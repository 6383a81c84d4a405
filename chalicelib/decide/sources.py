"""Data that is sealed where it lies: which buckets may be read, and how channels become a dataset."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence

from chalicelib.decide.keys import Refusal
from chalicelib.decide.listing import CHANNEL_LIMIT, Source
from chalicelib.decide.ready import CHANNEL
from chalicelib.model import Dataset

_URI = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(/(?P<key>.*))?", re.DOTALL)
_KEY_LIMIT = 1024
_OURS = ("datasets/", "runs/")
"""What training jobs may read of our own bucket."""


def read_channels(channels: Mapping[str, str], own: str, allowed: Sequence[str]) -> dict[str, str] | Refusal:
    """Check the URI of each channel, and give them in their one spelling."""
    if not 0 < len(channels) <= CHANNEL_LIMIT:
        return Refusal(f"It names {len(channels)} channels.", f"Name 1 to {CHANNEL_LIMIT}.")
    read: dict[str, str] = {}
    for name, uri in channels.items():
        found = _read(name, uri, own, allowed)
        if isinstance(found, Refusal):
            return found
        read[name] = found
    return read


def name_of(channels: Mapping[str, str]) -> str:
    """Name the dataset by what was asked for: the same channels again are the same dataset."""
    said = json.dumps(sorted(channels.items()), ensure_ascii=False)
    return f"start-{hashlib.sha256(said.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def sources_elsewhere(dataset: Dataset) -> tuple[Source, ...]:
    """Tell where the files of such a dataset lie, in the order in which their relative keys sort."""
    return tuple(_source(channel, dataset.sources[channel]) for channel in sorted(dataset.sources, key=_place))


def todo(dataset: Dataset) -> str | None:
    """Say what to do after a refusal; None for a dataset that lies under its own name."""
    if not dataset.sources:
        return None
    return f"Correct what lies at {', '.join(dataset.sources.values())}, and start it again."


def _read(name: str, uri: str, own: str, allowed: Sequence[str]) -> str | Refusal:
    found = _take_apart(name, uri)
    if isinstance(found, Refusal):
        return found
    bucket, key = found["bucket"], found["key"] or ""
    if bucket == own and key.startswith(_OURS):
        return f"s3://{bucket}/{key}"
    if bucket == own:
        return Refusal(
            f"Training jobs read no s3://{bucket}/{key}: of this bucket they read datasets/ and runs/ alone.",
            f"Copy it under s3://{bucket}/datasets/, or name another place.",
        )
    if any(_covers(place, bucket, key) for place in allowed):
        return f"s3://{bucket}/{key}"
    return Refusal(
        f"This stage reads no s3://{bucket}/{key}: its setting DROPFORGE_SOURCES has "
        f"{', '.join(allowed) or 'no other bucket'}.",
        "Add the bucket there, and to the stack's parameters SourceBuckets and SourceObjects; or drop the files.",
    )


def _take_apart(name: str, uri: str) -> re.Match[str] | Refusal:
    if not CHANNEL.fullmatch(name):
        return Refusal(f"{json.dumps(name)} cannot be a channel.", "Use 1 to 64 letters, digits, . - and _.")
    found = _URI.fullmatch(uri)
    if found is None or len((found["key"] or "").encode("utf-8", "surrogatepass")) > _KEY_LIMIT:
        return Refusal(
            f"The channel {name} names no place in S3: {json.dumps(uri)}.",
            "Name a folder as s3://bucket/folder/ or an object as s3://bucket/folder/data.csv.",
        )
    if not found[0].isprintable():
        told = f"The channel {name} names a place with unprintable characters: {json.dumps(uri)}."
        return Refusal(told, "Copy it to a place whose name can be read.")
    return found


def _covers(place: str, bucket: str, key: str) -> bool:
    """Tell whether a place of the setting, a bucket or a folder in one, holds a key: its neighbours are not in it."""
    name, _, inside = place.partition("/")
    return name == bucket and key.startswith(f"{inside.rstrip('/')}/" if inside else "")


def _source(channel: str, uri: str) -> Source:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    head, slash, only = key.rpartition("/")
    return Source(bucket, head + slash, _place(channel), only)


def _place(channel: str) -> str:
    return f"{channel}/"
