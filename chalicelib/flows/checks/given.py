"""What comes to be checked: names, sizes and MD5 sums, in the place of the files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.model import S3Object

UNKNOWN = "?"
"""In the place of a digest that nobody can know here."""


@dataclass(frozen=True, slots=True)
class File:
    """One file that would be uploaded; without `md5` its content counts as unknown."""

    path: str
    size: int
    md5: str | None = None

    def under(self, prefix: str) -> S3Object:
        return S3Object(prefix + self.path, self.size, self.md5 or UNKNOWN)


@dataclass(frozen=True, slots=True)
class PipelineFolder:
    """A pipeline's folder as `push` would send it; `count` is more than there are `files` where not all are told."""

    name: str
    toml: str
    files: tuple[File, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Drop:
    """A dataset as `drop` would send it; `channels` counts (objects, bytes), also of the files that are not told."""

    name: str
    files: tuple[File, ...]
    channels: Mapping[str, tuple[int, int]]
    single: bool = False
    overrides: str | None = None
    """The text of run.toml."""

    @property
    def count(self) -> int:
        return sum(objects for objects, _ in self.channels.values())
