from __future__ import annotations

import io
import tarfile
from collections.abc import Callable

import pytest

from chalicelib.errors import ConflictError, ThrottledError
from tests.fakes.calls import CrashError
from tests.flows.workshop import FOLDER, Interrupter, Room, other


@pytest.fixture
def room() -> Room:
    return Room()


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


def test_a_folder_that_changes_while_it_is_refused_is_read_again(room: Room) -> None:
    room.put({key: body for key, body in FOLDER.items() if key != "smoke/seven.png"})
    room.pipelines.bucket = Interrupter(
        room, "pipeline.toml", lambda: room.world.bucket.put("pipelines/digits/smoke/seven.png", "png")
    )

    room.run(seconds=5)

    assert room.record.problem is None
    room.run()
    assert room.status["state"] == "accepted"


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


def test_a_quarrel_without_end_comes_again_as_an_event(room: Room) -> None:
    for number in range(1, 40):
        room.world.fail_at(number, error=ConflictError)

    with pytest.raises(ConflictError):
        room.pipelines.uploaded("digits", room.world.clock())
