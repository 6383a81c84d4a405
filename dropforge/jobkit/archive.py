"""Unpack an archive that a stranger made: plain files and folders only, and no more of them than expected."""

from __future__ import annotations

import errno
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Callable, NamedTuple, Union

MAX_FILES = 200_000
MAX_BYTES = 20 * 2**30
MAX_RATIO = 200
_SMALL = 2**20
"""Below this size a high ratio is an empty bitmap, not a bomb."""
_CHUNK = 2**20
_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,  # encrypted
    NotImplementedError,  # a compression of which zipfile knows nothing
)

Where = Union[str, "os.PathLike[str]"]


class UnpackError(ValueError):
    """An archive that is not unpacked: it would leave its folder, is no plain tree of files, or is far too big."""


class _Entry(NamedTuple):
    name: str
    open: Callable[[], IO[bytes] | None]
    folder: bool


def unpack(
    path: Where, to: Where, *, max_files: int = MAX_FILES, max_bytes: int = MAX_BYTES, max_ratio: int = MAX_RATIO
) -> list[Path]:
    """Unpack a zip, tar or tar.gz (bz2, xz) into the folder `to`; give the files, in the archive's order.

    Links, devices, absolute paths, `..` and names that appear twice are refused, and so is an archive that unpacks to
    more than `max_files` files, `max_bytes` bytes or `max_ratio` times its own size. Nothing is left behind then.
    """
    source, target = Path(path), Path(to)
    limit = min(max_bytes, max(_SMALL, source.stat().st_size * max_ratio))
    staging = target / f".unpacking-{os.getpid()}"
    staging.mkdir(parents=True)
    try:
        names = _write_all(source, staging, max_files, limit)
        for name in names:
            _move(staging / name, target / name)
        return [target / name for name in names]
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _write_all(source: Path, staging: Path, max_files: int, limit: int) -> list[str]:
    names: list[str] = []
    left = limit
    try:
        for entry in _entries(source):
            name = _safe(entry.name)
            if entry.folder:
                continue
            _check_count(len(names), max_files, source.name)
            left -= _write(entry, staging / name, left, source.name)
            names.append(name)
    except UnpackError:
        raise
    except _DAMAGED as error:
        # gzip and bz2 report damaged data as an OSError without a number, zipfile follows an offset to before the file
        # (EINVAL); a full disk has another number, and is its own error.
        if isinstance(error, OSError) and error.errno not in {None, errno.EINVAL}:
            raise
        raise UnpackError(f"{source.name} cannot be read: {error}") from error
    return names


def _check_count(count: int, max_files: int, archive: str) -> None:
    if count == max_files:
        raise UnpackError(f"{archive} holds more than {max_files} files")


def _entries(source: Path) -> Iterator[_Entry]:
    if zipfile.is_zipfile(str(source)):
        yield from _zipped(source)
    elif tarfile.is_tarfile(str(source)):
        yield from _tarred(source)
    else:
        raise UnpackError(f"{source.name} is neither a zip nor a tar archive")


def _zipped(source: Path) -> Iterator[_Entry]:
    with zipfile.ZipFile(str(source)) as archive:
        for info in archive.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise UnpackError(f"{info.filename} is a link or a device: only plain files are unpacked")
            yield _Entry(info.filename, partial(archive.open, info), info.is_dir())


def _tarred(source: Path) -> Iterator[_Entry]:
    with tarfile.open(str(source)) as archive:
        for info in archive:
            if not (info.isreg() or info.isdir()):
                raise UnpackError(f"{info.name} is a link or a device: only plain files are unpacked")
            yield _Entry(info.name, partial(archive.extractfile, info), info.isdir())


def _safe(name: str) -> str:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or parts[0] == "/" or ".." in parts or parts[0].endswith(":") or "\0" in name:
        raise UnpackError(f"{name!r} leads out of the folder it is unpacked to")
    return "/".join(parts)


def _write(entry: _Entry, path: Path, left: int, archive: str) -> int:
    written = 0
    source = entry.open()
    if source is None:
        raise UnpackError(f"{entry.name} has no content that can be read")
    # "x": a name that comes twice is an archive made to deceive. The sizes in its headers are not trusted either.
    with source, _new(path, entry.name) as sink:
        for chunk in iter(lambda: source.read(_CHUNK), b""):
            written += len(chunk)
            if written > left:
                raise UnpackError(f"{archive} unpacks to far more than it weighs, or than is allowed")
            sink.write(chunk)
    return written


def _new(path: Path, name: str) -> IO[bytes]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("xb")
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        raise UnpackError(f"{name} is in the archive twice") from error


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
