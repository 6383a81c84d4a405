from __future__ import annotations

import pytest

from chalicelib.model import Release, Serving
from tests.contracts.values import TARGET
from tests.flows.workshop import FOLDER, TOML, Room

NOT_DEPLOYED = f"deploy = false\n{TOML.partition('[[deploy')[0]}"


@pytest.fixture
def room() -> Room:
    return Room()


def test_a_pushed_folder_becomes_one_version(room: Room) -> None:
    record = room.accept()

    assert record.version is not None
    assert (record.title, record.timer, record.due, record.released) == (
        "Handwritten digits",
        None,
        None,
        record.version,
    )
    prefix = f"runs/digits/_versions/{record.version}/"
    assert room.frozen == (
        f"{prefix}pipeline.toml",
        f"{prefix}smoke/000-seven.png",
        f"{prefix}sourcedir.tar.gz",
        f"{prefix}version.json",
    )
    assert room.world.bucket.peek(f"{prefix}pipeline.toml").decode() == TOML
    assert room.world.bucket.peek_type(f"{prefix}smoke/000-seven.png") == "image/png"
    assert room.status["state"] == "accepted"
    assert room.status["version"] == record.version
    assert room.status["problems"] == []
    assert room.told == ["digits"]


def test_nothing_is_read_before_five_quiet_seconds_after_the_last_upload(room: Room) -> None:
    for key, body in FOLDER.items():
        room.put({key: body})
        room.run(seconds=3)

    assert room.record.version is None
    assert room.frozen == ()
    room.run(seconds=3)
    assert room.record.version is not None


def test_however_many_files_arrive_one_wake_up_is_under_way(room: Room) -> None:
    room.put({**{f"src/file{number}.py": "" for number in range(200)}, **FOLDER})

    assert len(room.world.timer.pending) == 1
    room.run()
    assert len([key for key in room.frozen if key.endswith("version.json")]) == 1


def test_events_that_come_twice_after_the_reading_start_nothing(room: Room) -> None:
    at = room.world.clock()
    record, writes = room.accept(), room.world.records.writes

    for _ in range(3):
        room.pipelines.uploaded("digits", at)
        room.pipelines.advance("digits")

    assert room.record == record
    assert room.world.records.writes == writes
    assert room.world.timer.pending == []


def test_clients_find_a_model_from_the_moment_its_pipeline_is_accepted(room: Room) -> None:
    room.accept()

    assert room.world.records.serving("digits") == Serving(
        "digits",
        live=False,
        accept=("image/png", "image/jpeg", "image/webp"),
        labels=("7", "8"),
        top_k=2,
        title="Handwritten digits",
    )


def test_until_the_first_release_clients_are_told_what_the_newest_version_says(room: Room) -> None:
    room.accept()

    room.accept({"pipeline.toml": TOML.replace("top_k = 2", "top_k = 1")})

    serving = room.world.records.serving("digits")
    assert serving is not None
    assert serving.top_k == 1


def test_what_clients_meet_is_the_releases_own_once_there_is_one(room: Room) -> None:
    room.accept()
    live = Serving("digits", live=True, endpoint="df-test-digits-realtime", top_k=2)
    room.world.records.serve(live)
    room.world.records.save(Release("digits"))

    room.accept({"pipeline.toml": TOML.replace("top_k = 2", "top_k = 1")})

    assert room.world.records.serving("digits") == live


def test_a_pipeline_that_deploys_nothing_has_no_model_for_clients(room: Room) -> None:
    room.accept({**FOLDER, "pipeline.toml": NOT_DEPLOYED})
    assert room.world.records.serving("digits") is None

    room.accept()
    assert room.world.records.serving("digits") == Serving(
        "digits",
        accept=("image/png", "image/jpeg", "image/webp"),
        labels=("7", "8"),
        top_k=2,
        title="Handwritten digits",
    )


def test_a_model_that_never_went_live_is_no_model_once_its_pipeline_deploys_nothing(room: Room) -> None:
    room.accept()
    room.world.records.save(Release("digits", failed={"digest": "It broke."}))

    room.accept({"pipeline.toml": NOT_DEPLOYED})

    assert room.world.records.serving("digits") is None


def test_a_live_model_stays_when_its_pipeline_deploys_no_more_and_again(room: Room) -> None:
    room.accept()
    live = Serving("digits", live=True, endpoint="df-test-digits-realtime", top_k=2)
    room.world.records.serve(live)
    room.world.records.save(Release("digits", live=TARGET))

    for text in (NOT_DEPLOYED, TOML):
        room.accept({"pipeline.toml": text})
        assert room.world.records.serving("digits") == live


def test_a_wake_up_for_a_pipeline_nobody_knows_does_nothing(room: Room) -> None:
    room.pipelines.advance("digits")

    assert room.world.records.pipeline("digits") is None
    assert room.world.bucket.keys() == ()
