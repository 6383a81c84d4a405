"""Archives that strangers made: plain files come out, everything else is refused and leaves nothing behind."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dropforge.jobkit import UnpackError, unpack


def zipped(path: Path, *files: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files:
            archive.writestr(name, body)
    return path


def tarred(path: Path, *members: tarfile.TarInfo | tuple[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return path


def link(name: str, to: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    return info


def left_in(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*")) if folder.exists() else []


@pytest.mark.parametrize("make", [zipped, tarred])
def test_plain_files_come_out_as_they_were(tmp_path: Path, make: object) -> None:
    assert callable(make)
    archive = make(tmp_path / "a", ("cat/1.png", b"one"), ("dog/2.png", b"two"))
    out = tmp_path / "out"
    assert unpack(archive, out) == [out / "cat/1.png", out / "dog/2.png"]
    assert (out / "cat/1.png").read_bytes() == b"one"
    assert left_in(out) == sorted([out / "cat", out / "cat/1.png", out / "dog", out / "dog/2.png"])


@pytest.mark.parametrize("name", ["../out.txt", "/etc/passwd", "a/../../b", "..\\b", "C:\\b"])
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    for make in (zipped, tarred):
        archive = make(tmp_path / f"{make.__name__}.bin", ("fine.txt", b"x"), (name, b"evil"))
        with pytest.raises(UnpackError, match="leads out"):
            unpack(archive, tmp_path / "out")
        assert left_in(tmp_path / "out") == []


@pytest.mark.parametrize(
    "member", [link("a", "/etc/passwd"), link("a", "b", tarfile.LNKTYPE), link("a", "", tarfile.FIFOTYPE)]
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, member: tarfile.TarInfo) -> None:
    with pytest.raises(UnpackError, match="only plain files"):
        unpack(tarred(tmp_path / "a.tar.gz", member), tmp_path / "out")
    assert left_in(tmp_path / "out") == []


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("a")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(UnpackError, match="only plain files"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", *((f"{number}.txt", b"x") for number in range(11)))
    with pytest.raises(UnpackError, match="more than 10 files"):
        unpack(archive, tmp_path / "out", max_files=10)
    assert left_in(tmp_path / "out") == []


def test_an_archive_that_swells_to_a_thousand_times_its_size_is_refused(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", ("zeros", bytes(50 * 2**20)))
    assert archive.stat().st_size < 100_000
    with pytest.raises(UnpackError, match="far more than it weighs"):
        unpack(archive, tmp_path / "out")
    assert left_in(tmp_path / "out") == []


def test_a_name_that_comes_twice_is_refused(tmp_path: Path) -> None:
    for first, second in (("a", "a"), ("a", "a/b"), ("a/b", "a")):
        archive = tarred(tmp_path / "a.tar.gz", (first, b"1"), (second, b"2"))
        with pytest.raises(UnpackError, match="twice"):
            unpack(archive, tmp_path / "out")


def test_a_tar_that_ends_too_early_is_refused(tmp_path: Path) -> None:
    whole = tarred(tmp_path / "a.tar.gz", ("a", bytes(range(256)) * 4000)).read_bytes()
    (tmp_path / "b.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnpackError):
        unpack(tmp_path / "b.tar.gz", tmp_path / "out")
    assert left_in(tmp_path / "out") == []


def test_a_zip_that_points_to_before_its_own_beginning_is_refused(tmp_path: Path) -> None:
    whole = bytearray(zipped(tmp_path / "a.zip", ("a", b"hello")).read_bytes())
    whole[-6] += 1  # where the end says that the central directory begins
    (tmp_path / "b.zip").write_bytes(whole)
    with pytest.raises(UnpackError):
        unpack(tmp_path / "b.zip", tmp_path / "out")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_archives_come_out_whole_or_are_refused(tmp_path: Path, data: st.DataObject) -> None:
    make = data.draw(st.sampled_from([zipped, tarred]))
    whole = bytearray(make(tmp_path / "whole", ("a/b", b"hello" * 100), ("c", b"world")).read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "damaged").write_bytes(whole)
    try:
        files = unpack(tmp_path / "damaged", tmp_path / "out")
    except UnpackError:
        return
    assert all(path.resolve().is_relative_to((tmp_path / "out").resolve()) for path in files)
