from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from chalicelib.errors import ConflictError, NotFoundError, ThrottledError
from chalicelib.flows.pipelines import Pipelines
from chalicelib.flows.versions import Versions
from chalicelib.model import PipelineRecord, Release, Serving
from tests.fakes.calls import CrashError
from tests.fakes.world import World

TOML = """\
title = "Handwritten digits"

[train]
framework = "sklearn"
source_dir = "src"
entry_point = "train.py"

[[deploy.smoke_test]]
payload = "smoke/seven.png"
content_type = "image/png"
expect_label = "7"
min_score = 0.5

[serve]
labels = ["7", "8"]
top_k = 2
"""
FOLDER: Mapping[str, str] = {
    "pipeline.toml": TOML,
    "smoke/seven.png": "png",
    "src/train.py": "print('train')",
    "src/package/model.py": "print('model')",
}


class Room:
    """The pipeline machine in a world of its own, and what it told the other machines."""

    def __init__(self) -> None:
        self.world = World()
        self.told: list[str] = []
        self.versions = Versions(self.world.bucket)
        self.pipelines = Pipelines(
            bucket=self.world.bucket,
            records=self.world.records,
            timer=self.world.timer,
            clock=self.world.clock,
            settings=self.world.settings,
            versions=self.versions,
            on_accepted=self.told.append,
        )

    def put(self, files: Mapping[str, str], name: str = "digits") -> None:
        """Upload as a person would; each upload's event is delivered at once."""
        for key, body in files.items():
            self.world.bucket.put(f"pipelines/{name}/{key}", body)
            self.pipelines.uploaded(name, self.world.clock())

    def remove(self, *keys: str) -> None:
        for key in keys:
            self.world.bucket.remove(f"pipelines/digits/{key}")

    def run(self, seconds: int = 120) -> None:
        """Let time pass, delivering every wake-up when it is due."""
        for _ in range(seconds):
            self.world.clock.advance(1)
            for subject in self.world.timer.due():
                self.pipelines.advance(subject.removeprefix("pipeline:"))

    def reconcile(self) -> None:
        for subject in self.world.records.due("pipeline", self.world.clock(), limit=10):
            self.pipelines.advance(subject.removeprefix("pipeline:"))

    def accept(self, files: Mapping[str, str] = FOLDER) -> PipelineRecord:
        self.put(files)
        self.run()
        assert self.record.problem is None
        return self.record

    @property
    def record(self) -> PipelineRecord:
        found = self.world.records.pipeline("digits")
        assert found is not None
        return found

    @property
    def status(self) -> Any:
        return self.world.bucket.peek_json("status/digits.json")

    @property
    def frozen(self) -> tuple[str, ...]:
        return self.world.bucket.keys("runs/")

    def what_stands(self) -> dict[str, bytes]:
        """Everything we wrote, but for the times in it."""
        return {
            key: b"" if key.endswith(("version.json", "status/digits.json")) else self.world.bucket.peek(key)
            for key in (*self.frozen, *self.world.bucket.keys("status/"))
        }


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


def test_events_that_come_twice_after_the_reading_start_nothing(room: Room) -> None:
    at = room.world.clock()
    record, writes = room.accept(), room.world.records.writes

    for _ in range(3):
        room.pipelines.uploaded("digits", at)
        room.pipelines.advance("digits")

    assert room.record == record
    assert room.world.records.writes == writes
    assert room.world.timer.pending == []


def test_going_back_to_an_old_version_is_a_new_acceptance(room: Room) -> None:
    first = room.accept()
    room.accept({"src/train.py": "print('newer')"})
    room.world.clock.advance(60)

    back = room.accept({"src/train.py": FOLDER["src/train.py"]})

    assert back.version == first.version
    assert back.accepted_at is not None
    assert room.versions.load("digits", back.version or "").accepted_at == back.accepted_at > (first.accepted_at or 0)
    assert len(room.told) == 3


def test_a_lost_wake_up_is_made_good_by_the_reconcile(room: Room) -> None:
    room.put(FOLDER)
    room.world.timer.pending.clear()
    room.world.clock.advance(120)

    room.reconcile()

    assert room.status["state"] == "accepted"
    assert room.told == ["digits"]


def test_an_upload_that_no_event_told_of_is_waited_for(room: Room) -> None:
    room.put(FOLDER)
    room.world.clock.advance(4)
    room.world.bucket.put("pipelines/digits/src/late.py", "late")
    room.world.clock.advance(2)
    for subject in room.world.timer.due():
        room.pipelines.advance(subject.removeprefix("pipeline:"))

    assert room.record.version is None
    room.run()
    version = room.versions.load("digits", room.record.version or "")
    with tarfile.open(fileobj=io.BytesIO(room.world.bucket.peek(version.code_key))) as archive:
        assert "late.py" in archive.getnames()


class Interrupter:
    """Somebody who uploads or deletes at the very moment that the machine reads a certain object."""

    def __init__(self, room: Room, read: str, then: Callable[[], object]) -> None:
        self.bucket = room.world.bucket
        self.read_ = f"pipelines/digits/{read}"
        self.then: Callable[[], object] | None = then

    def __getattr__(self, name: str) -> Any:
        return getattr(self.bucket, name)

    def read(self, key: str, *, limit: int | None = None) -> bytes:
        if key == self.read_ and self.then is not None:
            then, self.then = self.then, None
            then()
        return self.bucket.read(key, limit=limit)


@pytest.mark.parametrize(
    "then",
    [
        pytest.param(
            lambda room: room.world.bucket.put("pipelines/digits/src/train.py", "print('TRAIN')"), id="same size"
        ),
        pytest.param(lambda room: room.world.bucket.put("pipelines/digits/src/train.py", "longer" * 9), id="longer"),
        pytest.param(lambda room: room.world.bucket.put("pipelines/digits/src/train.py", "short"), id="shorter"),
        pytest.param(lambda room: room.world.bucket.put("pipelines/digits/src/new.py", ""), id="another file"),
        pytest.param(lambda room: room.remove("src/package/model.py"), id="a file deleted"),
        pytest.param(lambda room: room.remove("smoke/seven.png"), id="a payload deleted"),
    ],
)
def test_a_folder_that_changes_while_it_is_read_settles_again(room: Room, then: Callable[[Room], object]) -> None:
    room.put(FOLDER)
    room.pipelines.bucket = Interrupter(room, "src/train.py", lambda: then(room))

    room.run(seconds=5)

    assert room.record.version is None
    assert room.frozen == ()
    assert room.record.timer is not None
    room.run()
    assert room.status["state"] == ("refused" if "smoke/seven.png" not in seen(room) else "accepted")


def seen(room: Room) -> set[str]:
    return {key.removeprefix("pipelines/digits/") for key in room.world.bucket.keys("pipelines/digits/")}


def test_a_file_that_changes_while_it_is_refused_is_read_again(room: Room) -> None:
    room.put({**FOLDER, "pipeline.toml": "nonsense = 1\n"})
    better = lambda: room.world.bucket.put("pipelines/digits/pipeline.toml", TOML)  # noqa: E731 (told in one line)
    room.pipelines.bucket = Interrupter(room, "pipeline.toml", better)

    room.run()

    assert room.status["state"] == "accepted"


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


def test_what_file_managers_leave_behind_is_no_part_of_a_version(room: Room) -> None:
    plain = room.accept()

    again = room.accept(
        {"src/.DS_Store": "x", "src/__pycache__/train.cpython-311.pyc": "x", "__MACOSX/src/train.py": "x"}
    )

    assert again.version == plain.version


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


def test_others_who_cannot_be_told_at_once_are_told_by_the_reconcile(room: Room) -> None:
    def busy(name: str) -> None:
        raise ThrottledError(name)

    room.pipelines.on_accepted = busy
    room.put(FOLDER)
    with pytest.raises(ThrottledError):
        room.run()
    assert room.record.version is not None
    assert room.record.released is None

    room.pipelines.on_accepted = room.told.append
    room.world.clock.advance(60)
    room.reconcile()

    assert room.told == ["digits"]
    assert room.record.released == room.record.version
    assert room.record.due is None


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_call_ends_in_the_same_state(after: bool) -> None:  # noqa: FBT001 (a parameter of the test)
    undisturbed, crashes = Room(), 0
    endure(undisturbed)
    calls = len(undisturbed.world.calls)

    for number in range(1, calls + 1):
        room = Room()
        room.world.fail_at(number, after=after)
        crashes += endure(room)
        assert room.what_stands() == undisturbed.what_stands(), number
        assert room.record.released == undisturbed.record.version, number
        assert room.record.due is None, number
        assert set(room.told) == {"digits"}, number
        assert room.world.records.serving("digits") == undisturbed.world.records.serving("digits"), number

    assert crashes == calls


def endure(room: Room) -> int:
    """Deliver an event until it is taken, then whatever wakes, then let the reconcile look; count the crashes."""
    for key, body in FOLDER.items():
        room.world.bucket.put(f"pipelines/digits/{key}", body)
    at = room.world.clock()
    steps: list[Callable[[], None]] = [lambda: room.pipelines.uploaded("digits", at)] * 2
    for _ in range(3):
        steps += [lambda: room.run(seconds=90), room.reconcile]
    crashes = 0
    for step in steps:
        try:
            step()
        except CrashError:
            crashes += 1
    return crashes


def test_two_workers_that_meet_end_in_one_version(room: Room) -> None:
    room.put(FOLDER)
    room.world.clock.advance(6)
    room.pipelines.bucket = Interrupter(room, "src/train.py", lambda: other(room).advance("digits"))

    room.pipelines.advance("digits")

    assert len([key for key in room.frozen if key.endswith("version.json")]) == 1
    assert room.record.released == room.record.version
    assert room.record.due is None
    assert set(room.told) == {"digits"}


def other(room: Room) -> Pipelines:
    return Pipelines(
        bucket=room.world.bucket,
        records=room.world.records,
        timer=room.world.timer,
        clock=room.world.clock,
        settings=room.world.settings,
        versions=room.versions,
        on_accepted=room.told.append,
    )


def test_a_quarrel_without_end_comes_again_as_an_event(room: Room) -> None:
    for number in range(1, 40):
        room.world.fail_at(number, error=ConflictError)

    with pytest.raises(ConflictError):
        room.pipelines.uploaded("digits", room.world.clock())


def test_a_wake_up_for_a_pipeline_nobody_knows_does_nothing(room: Room) -> None:
    room.pipelines.advance("digits")

    assert room.world.records.pipeline("digits") is None
    assert room.world.bucket.keys() == ()
