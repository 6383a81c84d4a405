"""sourcedir.tar.gz, as script mode takes it: the same files give the same bytes, wherever and whenever it is made."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Archive:
    body: bytes
    digest: str
    """sha256, in hex, over the names and contents: another version of zlib changes the body, but not what it holds."""


def pack(files: Iterable[tuple[str, bytes]]) -> Archive:
    """Pack (name, content) pairs, which come in the order of their names."""
    digest = hashlib.sha256()
    body = io.BytesIO()
    with (
        gzip.GzipFile(filename="", fileobj=body, mode="wb", compresslevel=6, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, content in files:
            for part in (name.encode(), content):
                digest.update(len(part).to_bytes(8, "big") + part)
            archive.addfile(_entry(name, len(content)), io.BytesIO(content))
    return Archive(body.getvalue(), digest.hexdigest())


def _entry(name: str, size: int) -> tarfile.TarInfo:
    """Describe a file owned by nobody in particular, last changed in 1970."""
    entry = tarfile.TarInfo(name)
    entry.size = size
    entry.mode = 0o644
    return entry
