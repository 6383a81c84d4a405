"""Archives to and from S3: what a program left behind is packed, what it is given is unpacked with suspicion."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from dropforge.local.sagemaker.jobs.bounds import BOUNDS, Bounds
from dropforge.local.sagemaker.places import split_uri

_LARGEST = 20 * 1024**3
_MOST_FILES = 100_000
_GZIP_LEVEL = 5
_COPY = 1024 * 1024
_MOST_AT_ONCE = 2 * _COPY
_GZIP = b"\x1f\x8b"


class BadArchiveError(Exception):
    """An archive that cannot be made or unpacked, or that would write where it must not."""


def pack_and_upload(s3: Any, folder: Path, uri: str, scratch: Path) -> bool:
    """Upload a folder as an archive; nothing, and False, when there is nothing in it."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return False
    refuse_too_large(folder)
    archive = scratch / f"{folder.name}.upload.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=_GZIP_LEVEL) as out:
        for path in sorted(folder.iterdir()):
            out.add(path, arcname=path.name, filter=lambda member: _plain(out, member))
    bucket, key = split_uri(uri)
    s3.upload_file(str(archive), bucket, key)
    archive.unlink()
    return True


def refuse_too_large(folder: Path) -> None:
    """Raise BadArchiveError where a folder is more than can be uploaded: a file with holes claims any size."""
    if sum(path.lstat().st_size for path in folder.rglob("*")) > _LARGEST:
        raise BadArchiveError(f"the files take more than {_LARGEST} bytes")


def download_and_unpack(s3: Any, uri: str, folder: Path, scratch: Path) -> None:
    """Fetch an archive and unpack it into a folder; BadArchiveError, or the client's own error."""
    bucket, key = split_uri(uri)
    archive = scratch / "download.tar.gz"
    s3.download_file(bucket, key, str(archive))
    try:
        unpack(archive, folder)
    finally:
        archive.unlink()


def unpack(archive: Path, folder: Path, bounds: Bounds = BOUNDS) -> None:
    """Unpack files and folders only. Links, devices and paths that lead elsewhere refuse the whole archive.

    So does one that would fill the disk, or whose names would fill the memory.
    """
    folder.mkdir(parents=True, exist_ok=True)
    size = files = 0
    try:
        with _opened(archive) as file, tarfile.open(fileobj=cast("IO[bytes]", _Careful(file)), mode="r:") as opened:
            for member in opened:
                size, files = size + member.size, files + 1
                if size > _LARGEST or files > _MOST_FILES:
                    raise BadArchiveError("the archive is too large")
                _extract(opened, member, folder, bounds)
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError) as error:
        raise BadArchiveError(f"the archive cannot be read: {error}") from error


class _Careful:
    """The bytes of an archive, not too many at once.

    What follows a header with a long name is read into memory whole, and gzip makes a gigabyte of nothing.
    """

    def __init__(self, file: IO[bytes] | gzip.GzipFile) -> None:
        self.seek, self.tell, self._read = file.seek, file.tell, file.read

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MOST_AT_ONCE:
            raise BadArchiveError("a header is too large")
        return self._read(size)


def _opened(archive: Path) -> IO[bytes] | gzip.GzipFile:
    with archive.open("rb") as file:
        packed = file.read(2) == _GZIP
    return gzip.open(archive) if packed else archive.open("rb")


def _extract(opened: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, bounds: Bounds) -> None:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        raise BadArchiveError(f"{member.name} leads out of the folder")
    target = folder / name
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    content: IO[bytes] | None = opened.extractfile(member) if member.isfile() else None
    if content is None:
        raise BadArchiveError(f"{member.name} is neither a file nor a folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    with content, target.open("wb") as out:
        while part := content.read(_COPY):
            if bounds.full(folder):
                raise BadArchiveError("no space left on device")
            out.write(part)
    target.chmod(0o755 if member.mode & 0o100 else 0o644)


def _plain(archive: tarfile.TarFile, member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Keep what another machine can unpack; whoever runs the cloud is nobody's business.

    A file with two names goes in twice: the archive is not to remember the first for a hard link to it.
    """
    archive.inodes.clear()  # type: ignore[attr-defined] # not in typeshed
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member if member.isfile() or member.isdir() or member.issym() else None
