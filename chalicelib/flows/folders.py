"""A pipeline's folder, read together: file, code and smoke payloads as they stood at one moment, or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from chalicelib.errors import NotFoundError, RefusedError
from chalicelib.flows.versions import Content, Payload
from chalicelib.model import S3Object
from chalicelib.names import is_junk
from chalicelib.pipeline import Pipeline, PipelineRefused, Problem, parse
from chalicelib.pipeline.folder import absent, source_files
from chalicelib.pipeline.sourcedir import Archive, pack
from chalicelib.pipeline.toml import SIZE_LIMIT
from chalicelib.ports import Bucket

OBJECT_LIMIT = 10_000
"""Objects in a folder that are listed at all."""
FILE = "pipeline.toml"


class FolderChanged(Exception):  # noqa: N818 (no fault: the folder is to be read again, later)
    """The folder is no longer what its listing said."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A folder's objects by their keys relative to it."""

    prefix: str
    objects: Mapping[str, S3Object]

    @property
    def newest(self) -> float:
        return max((each.modified for each in self.objects.values()), default=0.0)

    @property
    def sizes(self) -> Mapping[str, int]:
        return {key: each.size for key, each in self.objects.items()}


def list_folder(bucket: Bucket, name: str) -> Listing:
    """List the folder, but for what file managers leave behind; one object beyond OBJECT_LIMIT ends the listing."""
    prefix = f"pipelines/{name}/"
    found: dict[str, S3Object] = {}
    after = ""
    while len(found) <= OBJECT_LIMIT:
        page = bucket.page(prefix, after=after)
        found.update({each.key.removeprefix(prefix): each for each in page.items if not is_junk(each.key)})
        if page.next is None:
            break
        after = page.next
    return Listing(prefix, found)


def read_folder(bucket: Bucket, listing: Listing, instance_types: frozenset[str]) -> Content:
    """Read what a version is made of; PipelineRefused if it makes none, FolderChanged if it is not as listed."""
    refuse_unread(listing)
    toml = _read(bucket, listing, FILE)
    pipeline = parse(toml, instance_types=instance_types, checks=[lambda each: absent(each, listing.sizes)])
    return _content(bucket, listing, toml, pipeline)


def refuse_unread(listing: Listing) -> None:
    """Refuse what need not be read to be refused: PipelineRefused says why."""
    if FILE not in listing.objects:
        what = f"holds no {FILE}" if listing.objects else "is empty"
        raise PipelineRefused([Problem(None, "", f"{listing.prefix} {what}")])
    if len(listing.objects) > OBJECT_LIMIT:
        message = f"{listing.prefix} holds more than {OBJECT_LIMIT} objects; keep data and environments out of it"
        raise PipelineRefused([Problem(None, "", message)])
    if (size := listing.objects[FILE].size) > SIZE_LIMIT:
        raise PipelineRefused([Problem(None, "", f"{FILE} has {size} bytes; {SIZE_LIMIT} are allowed")])


def _content(bucket: Bucket, listing: Listing, toml: bytes, pipeline: Pipeline) -> Content:
    tests = pipeline.deploy.smoke_test if pipeline.deploy else ()
    code = _pack(bucket, listing, pipeline.train.source_dir)
    apart = pipeline.serving_source_dir != pipeline.train.source_dir
    return Content(
        toml=toml,
        pipeline=pipeline,
        code=code,
        serve_code=_pack(bucket, listing, pipeline.serving_source_dir) if apart else code,
        smoke=tuple(Payload(test, _read(bucket, listing, test.payload)) for test in tests),
    )


def _pack(bucket: Bucket, listing: Listing, source_dir: str) -> Archive:
    """Pack a source folder, one file at a time in memory."""

    def files() -> Iterator[tuple[str, bytes]]:
        for key in source_files(source_dir, listing.sizes):
            yield key.removeprefix(f"{source_dir}/"), _read(bucket, listing, key)

    return pack(files())


def _read(bucket: Bucket, listing: Listing, key: str) -> bytes:
    """Read no more than was listed; what is shorter or other shows when the folder is listed again."""
    listed = listing.objects[key]
    try:
        return bucket.read(listed.key, limit=listed.size)
    except (NotFoundError, RefusedError) as error:
        raise FolderChanged from error
