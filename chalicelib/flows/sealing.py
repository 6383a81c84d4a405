"""What sealing reads and writes in the bucket: the listing, the frozen input of a run, and what changed since.

`runs/<pipeline>/<run12>/input/`: a SageMaker ManifestFile for each channel, and `sealed.json`:
`{"digest", "single": key | null, "objects": [[relative key, size, ETag], …]}`. Keys are relative, so that two datasets
with the same content write the same bytes; the folder that a job read stands in the manifests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from chalicelib.decide.keys import OVERRIDES, READY, Part, folder, read_key, single_stem
from chalicelib.decide.layout import OBJECT_LIMIT, Survey, channel
from chalicelib.errors import NotFoundError
from chalicelib.model import Channel, DatasetId, S3Object
from chalicelib.names import is_junk, manifest_key, sealed_key
from chalicelib.ports import Bucket

_JUNK_ALLOWANCE = 10_000
"""Objects that are no data may come on top, so that what is listed stays bounded."""


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


def survey(bucket: Bucket, dataset: DatasetId, *, hint: str | None = None) -> Survey:
    """List all that lies under a dataset's name; `hint` is the key of a single object that an event told of."""
    data: list[S3Object] = []
    listed, newest, overrides, prefix = 0, 0.0, False, folder(dataset)
    for it in objects_under(bucket, prefix):
        listed += 1
        if listed > OBJECT_LIMIT + _JUNK_ALLOWANCE or len(data) > OBJECT_LIMIT:
            return Survey(dataset, newest=newest, overflow=True)
        if is_junk(it.key):
            continue
        newest = max(newest, it.modified)
        if it.key == prefix + OVERRIDES:
            overrides = True
        elif it.key != prefix + READY:
            data.append(it)
    singles = tuple(_singles(bucket, dataset, hint))
    newest = max([newest, *(it.modified for it in singles)])
    return Survey(dataset, tuple(data), singles, overrides, newest, overflow=len(data) > OBJECT_LIMIT)


def objects_under(bucket: Bucket, prefix: str) -> Iterator[S3Object]:
    """Go through a listing page by page, no page before it is needed."""
    after: str | None = ""
    while after is not None:
        page = bucket.page(prefix, after=after)
        yield from page.items
        after = page.next


def freeze(bucket: Bucket, found: Survey, digest: str, run: str) -> tuple[Channel, ...]:
    """Write down what jobs are to read, and give the channels; doing it again writes the same."""
    entries = found.entries()
    document = {
        "digest": digest,
        "single": found.single.key if found.single else None,
        "objects": [[name, it.size, it.etag] for name, it in entries],
    }
    bucket.write(sealed_key(found.dataset.pipeline, run), _compact(document))
    if found.single:
        return (Channel("training", 1, found.single.size, f"s3://{bucket.name}/{found.single.key}", manifest=False),)
    return tuple(_freeze_channel(bucket, found, run, name) for name in sorted(found.counts()))


def read_sealed(bucket: Bucket, pipeline: str, run: str) -> Sealed | None:
    """Read what a run was sealed with; None where nothing was."""
    try:
        said = json.loads(bucket.read(sealed_key(pipeline, run)))
    except NotFoundError:
        return None
    return Sealed({name: (size, etag) for name, size, etag in said["objects"]}, said["single"])


def sealed_changes(bucket: Bucket, pipeline: str, run: str) -> tuple[str, ...]:
    """Name the sealed keys of a run that were overwritten or deleted since, in key order.

    Lists the dataset again, as far as its last sealed key; files added since are no matter. NotFoundError where the
    run's input was never frozen.
    """
    sealed = read_sealed(bucket, pipeline, run)
    if sealed is None:
        raise NotFoundError(f"The frozen input of run {run} is gone.", run=run)
    if sealed.single:
        there = bucket.head(sealed.single)
        return () if there and [*sealed.objects.values()] == [(there.size, there.etag)] else (sealed.single,)
    prefix = _frozen_folder(bucket, pipeline, run, next(iter(sealed.objects)))
    last = prefix + max(sealed.objects, key=lambda name: name.encode())
    unchanged = set()
    for it in objects_under(bucket, prefix):
        name = it.key[len(prefix) :]
        if sealed.objects.get(name) == (it.size, it.etag):
            unchanged.add(name)
        if it.key == last:
            break
    return tuple(prefix + name for name in sealed.objects if name not in unchanged)


def _frozen_folder(bucket: Bucket, pipeline: str, run: str, relative_key: str) -> str:
    """Read from a manifest which dataset's folder the job was given."""
    name = channel(relative_key)
    manifest = json.loads(bucket.read(manifest_key(pipeline, run, name)))
    uri: str = manifest[0]["prefix"]
    return uri.removeprefix(f"s3://{bucket.name}/").removesuffix(f"{name}/")


def _freeze_channel(bucket: Bucket, found: Survey, run: str, name: str) -> Channel:
    prefix = f"{folder(found.dataset)}{name}/"
    its = [it for it in found.data if it.key.startswith(prefix)]
    key = manifest_key(found.dataset.pipeline, run, name)
    head = {"prefix": f"s3://{bucket.name}/{prefix}"}
    bucket.write(key, _compact([head, *(it.key[len(prefix) :] for it in its)]))
    return Channel(name, len(its), sum(it.size for it in its), f"s3://{bucket.name}/{key}")


def _singles(bucket: Bucket, dataset: DatasetId, hint: str | None) -> Iterator[S3Object]:
    """Find the single objects of that name, whatever their extension: one page of them is plenty."""
    stem = single_stem(dataset)
    listed = bucket.prefixes(f"{stem}.").items
    for key in sorted({stem, *([hint] if hint else []), *(key for key in listed if not key.endswith("/"))}):
        drop = read_key(key)
        if drop and drop.part is Part.SINGLE and drop.dataset == dataset and (found := bucket.head(key)):
            yield found


def _compact(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
