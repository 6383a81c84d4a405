from __future__ import annotations

import io
import tarfile

import pytest

from chalicelib.errors import NotFoundError
from tests.flows.workshop import FOLDER, TOML, Room


@pytest.fixture
def room() -> Room:
    return Room()


def test_a_version_is_loaded_in_one_read(room: Room) -> None:
    record = room.accept()
    assert record.version is not None
    reads = room.world.bucket.reads

    version = room.versions.load("digits", record.version)

    assert room.world.bucket.reads == reads + 1
    assert version.digest == record.version
    assert version.accepted_at == record.accepted_at
    assert version.pipeline.title == "Handwritten digits"
    assert version.pipeline.train.source_dir == "src"
    assert version.code_key == version.serve_code_key == f"runs/digits/_versions/{record.version}/sourcedir.tar.gz"
    assert version.code_digest == version.serve_code_digest
    assert [(smoke.content_type, smoke.expect_label, smoke.min_score) for smoke in version.smoke] == [
        ("image/png", "7", 0.5)
    ]
    assert room.world.bucket.peek(version.smoke[0].key) == b"png"


def test_a_version_that_was_never_accepted_is_not_found(room: Room) -> None:
    with pytest.raises(NotFoundError):
        room.versions.load("digits", "0" * 64)


def test_the_archive_holds_the_source_folder_as_its_root(room: Room) -> None:
    version = room.versions.load("digits", room.accept().version or "")

    with tarfile.open(fileobj=io.BytesIO(room.world.bucket.peek(version.code_key))) as archive:
        assert archive.getnames() == ["package/model.py", "train.py"]


def test_the_same_files_in_another_order_at_another_time_are_the_same_version_byte_for_byte() -> None:
    rooms = [Room(), Room()]
    rooms[1].world.clock.advance(1_000_000)
    for room, keys in zip(rooms, (sorted(FOLDER), sorted(FOLDER, reverse=True)), strict=True):
        room.accept({key: FOLDER[key] for key in keys})

    assert rooms[0].record.version == rooms[1].record.version
    assert rooms[0].what_stands() == rooms[1].what_stands()


@pytest.mark.parametrize("key", FOLDER)
def test_a_change_of_any_part_is_another_version(room: Room, key: str) -> None:
    first = room.accept()

    second = room.accept({key: FOLDER[key] + "\n"})

    assert second.version != first.version
    assert room.told == ["digits", "digits"]


def test_serving_code_of_its_own_is_frozen_apart(room: Room) -> None:
    text = TOML + 'source_dir = "serving"\nentry_point = "serve.py"\n'

    version = room.versions.load(
        "digits", room.accept({**FOLDER, "pipeline.toml": text, "serving/serve.py": "s"}).version or ""
    )

    assert version.serve_code_key.endswith("/serve-sourcedir.tar.gz")
    assert version.serve_code_digest != version.code_digest
    with tarfile.open(fileobj=io.BytesIO(room.world.bucket.peek(version.serve_code_key))) as archive:
        assert archive.getnames() == ["serve.py"]


def test_a_change_of_serving_code_alone_leaves_the_training_code_as_it_was(room: Room) -> None:
    text = TOML + 'source_dir = "serving"\nentry_point = "serve.py"\n'
    first = room.accept({**FOLDER, "pipeline.toml": text, "serving/serve.py": "s"})

    second = room.accept({"serving/serve.py": "other"})

    versions = [room.versions.load("digits", record.version or "") for record in (first, second)]
    assert versions[0].digest != versions[1].digest
    assert versions[0].code_digest == versions[1].code_digest


def test_the_same_content_again_makes_no_version_and_tells_nobody(room: Room) -> None:
    first = room.accept()
    stands, writes = room.what_stands(), room.world.bucket.writes
    room.world.clock.advance(60)

    again = room.accept()

    assert (again.version, again.accepted_at) == (first.version, first.accepted_at)
    assert room.what_stands() == stands
    assert room.world.bucket.writes == writes + 1, "the status alone"
    assert room.told == ["digits"]


def test_going_back_to_an_old_version_is_a_new_acceptance(room: Room) -> None:
    first = room.accept()
    room.accept({"src/train.py": "print('newer')"})
    room.world.clock.advance(60)

    back = room.accept({"src/train.py": FOLDER["src/train.py"]})

    assert back.version == first.version
    assert back.accepted_at is not None
    assert room.versions.load("digits", back.version or "").accepted_at == back.accepted_at > (first.accepted_at or 0)
    assert len(room.told) == 3


def test_what_file_managers_leave_behind_is_no_part_of_a_version(room: Room) -> None:
    plain = room.accept()

    again = room.accept(
        {"src/.DS_Store": "x", "src/__pycache__/train.cpython-311.pyc": "x", "__MACOSX/src/train.py": "x"}
    )

    assert again.version == plain.version
