from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping

import pytest

from chalicelib.pipeline import PipelineRefused, parse
from chalicelib.pipeline.folder import PAYLOAD_BYTES, SOURCE_BYTES, SOURCE_FILES, absent, source_files
from chalicelib.pipeline.sourcedir import pack

TEXT = """\
[train]
framework = "sklearn"
source_dir = "src"
entry_point = "train.py"
[[deploy.smoke_test]]
payload = "smoke/seven.png"
content_type = "image/png"
"""
FILES = {"src/train.py": 10, "smoke/seven.png": 100}


def problems(files: Mapping[str, int], text: str = TEXT) -> list[str]:
    try:
        parse(text, checks=[lambda pipeline: absent(pipeline, files)])
    except PipelineRefused as refusal:
        return [str(each) for each in refusal.problems]
    return []


def without(key: str, **more: int) -> dict[str, int]:
    return {each: size for each, size in FILES.items() if each != key} | more


def test_a_folder_that_holds_what_the_file_speaks_of_is_fine() -> None:
    assert problems(FILES) == []


def test_a_source_folder_without_files_is_refused() -> None:
    assert problems(without("src/train.py")) == [
        "line 3, train.source_dir: must hold the code, but there is no file under src/"
    ]


def test_an_entry_point_that_is_not_there_is_refused() -> None:
    assert problems(without("src/train.py") | {"src/other.py": 1, "train.py": 1}) == [
        "line 4, train.entry_point: must be one of the files in src/; train.py is not there"
    ]


def test_a_payload_that_is_not_there_is_refused() -> None:
    assert problems(without("smoke/seven.png")) == [
        "line 6, deploy.smoke_test[0].payload: must be a file in the pipeline's folder; smoke/seven.png is not there"
    ]


@pytest.mark.parametrize("size", [0, PAYLOAD_BYTES + 1])
def test_a_payload_is_neither_empty_nor_too_large(size: int) -> None:
    assert "must be a file of 1 to 5242880 bytes" in problems(FILES | {"smoke/seven.png": size})[0]


def test_a_serving_source_is_looked_for_as_well() -> None:
    assert problems(FILES, f'{TEXT}[serve]\nsource_dir = "serving"\nentry_point = "serve.py"\n') == [
        "line 9, serve.source_dir: must hold the code, but there is no file under serving/"
    ]
    assert problems(FILES, f'{TEXT}[serve]\nentry_point = "serve.py"\n') == [
        "line 9, serve.entry_point: must be one of the files in src/; serve.py is not there"
    ]


def test_too_many_files_are_refused() -> None:
    many = {f"src/{number}.py": 1 for number in range(SOURCE_FILES)}

    assert "must hold at most 5000 files, serving code included; there are 5001" in problems(FILES | many)[0]


def test_too_many_bytes_are_refused() -> None:
    assert "must hold at most 262144000 bytes" in problems(FILES | {"src/weights.bin": SOURCE_BYTES})[0]


def test_training_and_serving_code_share_the_limit() -> None:
    text = f'{TEXT}[serve]\nsource_dir = "serving"\nentry_point = "serve.py"\n'
    half = SOURCE_BYTES // 2

    assert problems(FILES | {"serving/serve.py": half, "src/train.py": half}, text) == []
    assert "serving code included" in problems(FILES | {"serving/serve.py": half, "src/train.py": half + 1}, text)[0]


@pytest.mark.parametrize("key", ["src/../train.py", "src//a.py", "src/./a.py", "src/a\nb.py", "src/..", "src/a\\b"])
def test_a_file_that_no_archive_can_hold_is_refused(key: str) -> None:
    assert "must hold files that an archive can hold" in problems(FILES | {key: 1})[0]


def test_a_key_that_is_both_file_and_folder_is_refused() -> None:
    assert "must not hold a file that is a folder, too: src/a" in problems(FILES | {"src/a": 1, "src/a/b": 1})[0]


def test_what_python_compiled_is_no_source() -> None:
    keys = {"src/b.py": 1, "src/__pycache__/b.pyc": 1, "src/a/__pycache__/c.pyc": 1, "src/a/c.py": 1, "srcs/d.py": 1}

    assert source_files("src", keys) == ["src/a/c.py", "src/b.py"]


def test_two_archives_of_the_same_files_are_the_same_bytes() -> None:
    files = [("a/b.py", b"print()"), ("train.py", b"\x00" * 5000), ("ü" * 200, b"")]

    assert pack(files) == pack(iter(files))


def test_an_archive_holds_the_files_owned_by_nobody_and_as_old_as_time() -> None:
    body = pack([("a/b.py", b"print()"), ("ü" * 200, b"x")]).body

    assert body[4:8] == bytes(4), "no time in the gzip header"
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(body))) as archive:
        members = archive.getmembers()
        assert [(each.name, each.mtime, each.uid, each.gid, each.uname, each.mode) for each in members] == [
            ("a/b.py", 0, 0, 0, "", 0o644),
            ("ü" * 200, 0, 0, 0, "", 0o644),
        ]
        first = archive.extractfile("a/b.py")
        assert first is not None
        assert first.read() == b"print()"


def test_names_and_contents_both_make_the_digest() -> None:
    digests = {
        pack(files).digest
        for files in ([("a", b"b")], [("a", b"c")], [("ab", b"")], [("b", b"b")], [("a", b"b"), ("b", b"")], [])
    }

    assert len(digests) == 6
