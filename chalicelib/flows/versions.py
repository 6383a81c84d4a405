"""Accepted versions of pipelines: frozen once in the bucket, read back in one GET."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache

from pydantic import TypeAdapter

from chalicelib.names import version_prefix
from chalicelib.pipeline import Pipeline, Smoke, Version
from chalicelib.pipeline.schema import SmokeTest
from chalicelib.pipeline.sourcedir import Archive
from chalicelib.ports import Bucket


@dataclass(frozen=True, slots=True)
class Payload:
    """A smoke test with the bytes it sends."""

    test: SmokeTest
    body: bytes

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


@dataclass(frozen=True, slots=True)
class Content:
    """All that a version is made of, read together."""

    toml: bytes
    pipeline: Pipeline
    code: Archive
    serve_code: Archive
    smoke: tuple[Payload, ...] = ()

    @property
    def digest(self) -> str:
        parts = [hashlib.sha256(self.toml).hexdigest(), self.code.digest, self.serve_code.digest]
        return hashlib.sha256(json.dumps([*parts, [payload.digest for payload in self.smoke]]).encode()).hexdigest()


class Versions:
    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket

    def load(self, pipeline: str, digest: str) -> Version:
        """Read an accepted version; NotFoundError if there is none of that digest."""
        return _adapter().validate_json(self.bucket.read(_key(pipeline, digest)))

    def freeze(self, pipeline: str, content: Content, accepted_at: float) -> Version:
        """Write a version, version.json last: where that stands, all of it stands.

        One that was frozen before is only given its new time: going back to an old version is a new acceptance.
        """
        version = _version(pipeline, content, accepted_at)
        if self.bucket.head(_key(pipeline, version.digest)) is None:
            self._write_parts(pipeline, version, content)
        self.bucket.write(_key(pipeline, version.digest), _adapter().dump_json(version, indent=2))
        return version

    def _write_parts(self, pipeline: str, version: Version, content: Content) -> None:
        toml_key = f"{version_prefix(pipeline, version.digest)}pipeline.toml"
        self.bucket.write(toml_key, content.toml, content_type="application/toml")
        self.bucket.write(version.code_key, content.code.body, content_type="application/gzip")
        if version.serve_code_key != version.code_key:
            self.bucket.write(version.serve_code_key, content.serve_code.body, content_type="application/gzip")
        for smoke, payload in zip(version.smoke, content.smoke, strict=True):
            self.bucket.write(smoke.key, payload.body, content_type=smoke.content_type)


def _key(pipeline: str, digest: str) -> str:
    return f"{version_prefix(pipeline, digest)}version.json"


def _version(pipeline: str, content: Content, accepted_at: float) -> Version:
    prefix = version_prefix(pipeline, content.digest)
    same = content.serve_code.digest == content.code.digest
    return Version(
        digest=content.digest,
        pipeline=content.pipeline,
        code_key=f"{prefix}sourcedir.tar.gz",
        code_digest=content.code.digest,
        serve_code_key=f"{prefix}sourcedir.tar.gz" if same else f"{prefix}serve-sourcedir.tar.gz",
        serve_code_digest=content.serve_code.digest,
        smoke=tuple(_smoke(prefix, number, payload) for number, payload in enumerate(content.smoke)),
        accepted_at=accepted_at,
    )


def _smoke(prefix: str, number: int, payload: Payload) -> Smoke:
    # A key has at most 1,024 bytes; the end of a name tells most, and 64 characters are at most 256 bytes.
    name = payload.test.payload.rsplit("/", 1)[-1][-64:]
    return Smoke(
        key=f"{prefix}smoke/{number:03}-{name}",
        digest=payload.digest,
        content_type=payload.test.content_type,
        expect_label=payload.test.expect_label,
        min_score=payload.test.min_score,
    )


@cache
def _adapter() -> TypeAdapter[Version]:
    """Built when a version is first read or written: a tick in which nothing happens does neither."""
    return TypeAdapter(Version)
