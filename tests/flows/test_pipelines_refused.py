from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from tests.flows.workshop import FOLDER, TOML, Room


@pytest.fixture
def room() -> Room:
    return Room()


def test_a_refused_file_says_line_key_and_what_is_allowed_and_the_last_good_version_stays(room: Room) -> None:
    good = room.accept()

    room.put({"pipeline.toml": TOML.replace("[serve]", "[serve]\ntopk = 3")})
    room.run()

    assert room.record.version == good.version
    assert room.status["state"] == "refused"
    assert room.status["version"] == good.version
    assert [(each["line"], each["key"]) for each in room.status["problems"]] == [(15, "serve.topk")]
    assert 'the nearest known one is "top_k"' in room.status["problems"][0]["message"]
    assert room.record.problem is not None
    assert room.record.problem.endswith("stays in use)")
    assert room.told == ["digits"]


def test_a_refusal_is_over_when_a_better_file_comes(room: Room) -> None:
    room.put({**FOLDER, "pipeline.toml": "titel = 1"})
    room.run()
    assert room.status["state"] == "refused"

    room.accept({"pipeline.toml": TOML})

    assert room.status["problems"] == []
    assert room.told == ["digits"]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"src/train.py": "x"}, "pipelines/digits/ holds no pipeline.toml"),
        ({"pipeline.toml": TOML, "smoke/seven.png": "x"}, "there is no file under src/"),
        ({"pipeline.toml": TOML, "src/train.py": "x"}, "smoke/seven.png is not there"),
        ({**FOLDER, "smoke/seven.png": ""}, "must be a file of 1 to 5242880 bytes"),
        ({**FOLDER, "pipeline.toml": "#" * 262_145}, "pipeline.toml has 262145 bytes; 262144 are allowed"),
        ({**FOLDER, "pipeline.toml": "\0"}, "is not TOML"),
        (
            {**FOLDER, "pipeline.toml": TOML.replace("[train]", "[train]\ninstance_type = 'ml.p3.2xlarge'")},
            "stage allows",
        ),
        ({**FOLDER, "pipeline.toml": TOML + "[budget]\nmax_usd_per_run = 5.0"}, "not supported yet: [budget]"),
        ({**FOLDER, **{f"data/{number}": "" for number in range(10_001)}}, "holds more than 10000 objects"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_reason(room: Room, files: Mapping[str, str], said: str) -> None:
    for key, body in files.items():
        room.world.bucket.put(f"pipelines/digits/{key}", body)
    room.pipelines.uploaded("digits", room.world.clock())

    room.run()

    assert room.status["state"] == "refused"
    assert said in json.dumps(room.status["problems"])
    assert room.record.version is None
    assert room.record.due is None
    assert room.frozen == ()
    assert room.told == []


def test_an_emptied_folder_keeps_its_last_version_and_says_so(room: Room) -> None:
    good = room.accept()
    room.put({"notes.txt": "x"})
    room.remove("notes.txt", *FOLDER)

    room.run()

    assert room.record.version == good.version
    assert room.status["state"] == "refused"
    assert room.status["version"] == good.version
    assert room.status["problems"][0]["message"] == "pipelines/digits/ is empty"
    assert "stays in use" in (room.record.problem or "")


@pytest.mark.parametrize("name", ["Digits", "two--hyphens", "a" * 21, "with space", "ünï", "pipeline.toml", ".."])
def test_a_folder_whose_name_no_pipeline_can_have_is_refused_once(room: Room, name: str) -> None:
    room.put(FOLDER, name=name)
    room.run()

    status = room.world.bucket.peek_json(f"status/{name}.json")
    assert status["state"] == "refused"
    assert "is no name of a pipeline: use a-z, 0-9" in status["problems"][0]["message"]
    assert room.world.records.pipeline(name) is None
    assert room.world.bucket.writes == 1
    assert room.world.timer.pending == []
