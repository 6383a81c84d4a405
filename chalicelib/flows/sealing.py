"""The frozen input of a run, in the bucket: what its jobs read, and what it is compared with afterwards.

`runs/<pipeline>/<run12>/input/`: a SageMaker ManifestFile for each channel, and `sealed.json`:
`{"digest", "single": key | null, "objects": [[relative key, size, ETag], …]}` with a line for each object, in the order
of the keys. Keys are relative, so that two datasets with the same content write the same bytes; where a job's files lie
stands in its manifests.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice

from chalicelib.decide.keys import folder
from chalicelib.decide.layout import Survey, extension
from chalicelib.decide.listing import Row, Source, channel
from chalicelib.decide.sources import sources_elsewhere
from chalicelib.errors import NotFoundError
from chalicelib.flows.listing import SEPARATOR, in_lines, written
from chalicelib.model import Channel, Dataset, S3Object
from chalicelib.names import manifest_key, sealed_key
from chalicelib.ports import Bucket

KNOWN_LIMIT = 50_000
"""Objects of a sealed list that is read as a whole, to tell whether what arrives again is what was sealed."""
_LINES = 1000
_HEAD = 8192
"""Bytes in which a manifest has its prefix, whatever characters that has."""
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a run was sealed with: relative key → (size, ETag); `single` is the key where one object is everything."""

    objects: dict[str, tuple[int, str]]
    single: str | None = None

    def holds(self, key: str, relative_key: str, there: S3Object | None) -> bool:
        """Tell whether what lies at a key now is what was sealed there, or nothing is and was."""
        ours = key == self.single if self.single else True
        sealed = self.objects.get(relative_key) if ours else None
        return sealed == ((there.size, there.etag) if there else None)


def sources_of(bucket: Bucket, dataset: Dataset) -> tuple[Source, ...]:
    """Tell where a dataset's files lie, in the order of their relative keys."""
    if dataset.sources:
        return sources_elsewhere(dataset)
    return (Source(bucket.name, folder(dataset.id)),)


def freeze(bucket: Bucket, found: Survey, sources: Sequence[Source], run: str) -> tuple[Channel, ...]:
    """Write down what jobs are to read, and give the channels; doing it again writes the same.

    The rows go through memory some megabytes at a time, however many there are.
    """
    pipeline, single = found.dataset.pipeline, found.single
    if single:
        rows = in_lines([Row(extension(single.key), single.size, single.etag)])
        bucket.write_long(sealed_key(pipeline, run), _sealed(found, [rows]))
        return (Channel("training", 1, single.size, f"s3://{bucket.name}/{single.key}", manifest=False),)
    bucket.write_long(sealed_key(pipeline, run), _sealed(found, written(bucket, found)))
    for name, names in groupby(_names(written(bucket, found)), channel):
        bucket.write_long(manifest_key(pipeline, run, name), _manifest(_home(sources, name), name, names))
    return tuple(
        Channel(it.channel, it.objects, it.size, f"s3://{bucket.name}/{manifest_key(pipeline, run, it.channel)}")
        for it in sorted(found.listing.channels, key=lambda it: it.channel)
    )


def read_sealed(bucket: Bucket, pipeline: str, run: str) -> Sealed | None:
    """Read what a run was sealed with; None where nothing was."""
    try:
        said = json.loads(bucket.read(sealed_key(pipeline, run)))
    except NotFoundError:
        return None
    return Sealed({name: (size, etag) for name, size, etag in said["objects"]}, said["single"])


def read_home(bucket: Bucket, pipeline: str, run: str, name: str) -> Source:
    """Read from a manifest where the files of a channel lie that the job was given."""
    head = bucket.read_from(manifest_key(pipeline, run, name), 0, limit=_HEAD)
    entry, _ = json.JSONDecoder().raw_decode(head.decode("utf-8", "ignore"), 1)
    home, _, prefix = entry["prefix"].removeprefix("s3://").partition("/")
    return Source(home, prefix, f"{name}/")


def _home(sources: Sequence[Source], name: str) -> str:
    """Give the prefix that the files of a channel have in common."""
    own = next((it for it in sources if it.place == f"{name}/"), None)
    return f"s3://{own.bucket}/{own.prefix}" if own else f"s3://{sources[0].bucket}/{sources[0].prefix}{name}/"


def _sealed(found: Survey, rows: Iterable[bytes]) -> Iterator[bytes]:
    single = _encode(found.single.key if found.single else None)
    yield f'{{"digest":"{found.digest}","single":{single},"objects":['.encode()
    for number, piece in enumerate(rows):
        yield (SEPARATOR if number else b"\n") + piece
    yield b"]}"


def _names(pieces: Iterable[bytes]) -> Iterator[str]:
    return (json.loads(line)[0] for piece in pieces for line in piece.split(SEPARATOR))


def _manifest(home: str, name: str, names: Iterator[str]) -> Iterator[bytes]:
    """Write the prefix and, a few at a time, the keys after it."""
    yield f"[{_encode({'prefix': home})}".encode()
    while some := list(islice(names, _LINES)):
        yield "".join(f",{_encode(each[len(name) + 1 :])}" for each in some).encode()
    yield b"]"
