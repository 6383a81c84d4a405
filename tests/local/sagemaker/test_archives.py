"""Archives that somebody meant ill with."""

from __future__ import annotations

import io
import tarfile
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import pytest

from dropforge.local.sagemaker import artifacts
from dropforge.local.sagemaker.artifacts import BadArchiveError
from dropforge.local.sagemaker.jobs.bounds import Bounds

_MB = 1024 * 1024


def _packed(folder: Path, *members: dict[str, Any]) -> Path:
    path = folder / "model.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for values in members:
            member = tarfile.TarInfo("fine")
            for name, value in values.items():
                setattr(member, name, value)
            archive.addfile(member, io.BytesIO(b"\0" * member.size))
    return path


@pytest.mark.parametrize(
    "member",
    [
        {"name": "../out"},
        {"name": "/tmp/out"},  # noqa: S108 - nothing is written there
        {"name": "a/../../out"},
        {"type": tarfile.SYMTYPE, "linkname": "/etc"},
        {"type": tarfile.LNKTYPE, "linkname": "first"},
        {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3},
        {"type": tarfile.BLKTYPE},
        {"type": tarfile.FIFOTYPE},
        {"name": "first/below"},
        {"name": "n" * 300},
    ],
)
def test_nothing_but_files_and_folders_below_the_folder_comes_out_of_an_archive(
    tmp_path: Path, member: dict[str, Any]
) -> None:
    archive = _packed(tmp_path, {"name": "first", "size": 1}, member)
    with pytest.raises(BadArchiveError):
        artifacts.unpack(archive, tmp_path / "model")
    assert {path.name for path in tmp_path.rglob("*")} <= {"model.tar.gz", "model", "first"}


def test_a_name_without_end_does_not_come_into_memory(tmp_path: Path) -> None:
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 256 * _MB
    packer = zlib.compressobj(wbits=31)
    path = tmp_path / "model.tar.gz"
    with path.open("wb") as file:
        file.write(packer.compress(header.tobuf(tarfile.GNU_FORMAT)))
        for _ in range(256):
            file.write(packer.compress(b"n" * _MB))
        file.write(packer.flush())
    tracemalloc.start()
    try:
        with pytest.raises(BadArchiveError):
            artifacts.unpack(path, tmp_path / "model")
        assert tracemalloc.get_traced_memory()[1] < 32 * _MB
    finally:
        tracemalloc.stop()


def test_an_archive_does_not_fill_the_disk(tmp_path: Path) -> None:
    archive = _packed(tmp_path, {"size": 3 * _MB})
    with pytest.raises(BadArchiveError, match="no space left"):
        artifacts.unpack(archive, tmp_path / "model", Bounds(free_bytes=1 << 60))
    assert (tmp_path / "model" / "fine").stat().st_size == 0
