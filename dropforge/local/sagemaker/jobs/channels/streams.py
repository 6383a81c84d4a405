"""A channel as one stream of bytes for each epoch, made as it is read: nothing of it is held."""

from __future__ import annotations

import json
import tempfile
from array import array
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from dropforge.local.sagemaker.jobs.channels import listing, objects, recordio
from dropforge.local.sagemaker.jobs.channels.asked import Channel, InputError
from dropforge.local.sagemaker.places import split_uri

_REFERENCE = "-ref"
_AUGMENTED = "AugmentedManifestFile"


def epoch(s3: Any, channel: Channel, number: int, scratch: Path) -> Generator[bytes]:
    """Give the bytes of one epoch; InputError, also in the middle, where an object cannot be had."""
    if channel.kind == _AUGMENTED:
        yield from _augmented(s3, channel, number, scratch)
        return
    for item in listing.items(s3, channel, number):
        if not item.key.endswith("/"):
            yield from _object(s3, channel, item.bucket, item.key, scratch)


def _object(s3: Any, channel: Channel, bucket: str, key: str, scratch: Path) -> Iterator[bytes]:
    uri = f"s3://{bucket}/{key}"
    with objects.opened(s3, bucket, key) as found:
        parts = objects.unzipped(found.parts, uri) if channel.gzip else found.parts
        if not channel.records:
            yield from parts
        elif channel.gzip:
            yield from _measured(parts, uri, scratch)
        else:
            yield from recordio.record(found.length, parts, uri)


def _measured(parts: Iterable[bytes], uri: str, scratch: Path) -> Iterator[bytes]:
    """A record begins with its length, which gzip tells only at its end: it goes over the disk."""
    with tempfile.TemporaryFile(dir=scratch) as file:
        for part in parts:
            file.write(part)
        length = file.tell()
        file.seek(0)
        yield from recordio.record(length, iter(lambda: file.read(objects.PART), b""), uri)


def _augmented(s3: Any, channel: Channel, number: int, scratch: Path) -> Iterator[bytes]:
    """Give the attributes that were asked for, line by line, each as a record, in the order of their names."""
    with tempfile.TemporaryFile(dir=scratch) as file:
        places = _copied(s3, channel, file)
        for place in listing.share(channel, listing.order(channel, places, number)):
            file.seek(place)
            line = _line(file.readline(), channel)
            for name in channel.attributes:
                yield from _attribute(s3, channel, name, line, scratch)


def _copied(s3: Any, channel: Channel, file: IO[bytes]) -> array[int]:
    """Copy the manifest to a file; gives where its lines begin, for that is all that an order needs to know."""
    with objects.opened(s3, channel.bucket, channel.key) as found:
        for part in found.parts:
            file.write(part)
    file.seek(0)
    places, place = array("Q"), 0
    while line := file.readline():
        if line.strip():
            places.append(place)
        place += len(line)
    return places


def _line(text: bytes, channel: Channel) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        line = None
    if not isinstance(line, dict):
        raise InputError(f"Data download failed: {channel.uri} has a line that is no JSON object.")
    if missing := [name for name in channel.attributes if name not in line]:
        raise InputError(f"Data download failed: a line of {channel.uri} has no attribute {missing[0]}.")
    return line


def _attribute(s3: Any, channel: Channel, name: str, line: dict[str, Any], scratch: Path) -> Iterator[bytes]:
    value = line[name]
    if name.endswith(_REFERENCE):
        if not isinstance(value, str) or not value.startswith("s3://"):
            raise InputError(f"Data download failed: the attribute {name} in {channel.uri} is no S3 URI.")
        yield from _object(s3, channel, *split_uri(value), scratch)
    else:
        text = (value if isinstance(value, str) else json.dumps(value)).encode()
        yield from recordio.record(len(text), [text], name) if channel.records else [text]
