from __future__ import annotations

import gzip
import json
import struct
import uuid
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.sagemaker.world import World

_MAGIC = 0xCED7230A


def _place(world: World, **objects: bytes) -> str:
    """Put objects below a prefix of their own; gives its URI, with a slash."""
    prefix = f"data/{uuid.uuid4().hex[:8]}/"
    for name, body in objects.items():
        world.put(prefix + name, body)
    return f"s3://{world.bucket}/{prefix}"


def _channel(uri: str, kind: str = "S3Prefix", source: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    data = {"S3DataSource": {"S3DataType": kind, "S3Uri": uri, **(source or {})}}
    return {"ChannelName": "training", "DataSource": data, "InputMode": "Pipe", **more}


def _read(world: World, channel: dict[str, Any], epochs: int = 1) -> dict[str, bytes]:
    """Read epochs of the channel in a job; gives what it read of each, and the names that it saw before."""
    parameters = {"channel": "training", "epochs": str(epochs)}
    job = world.train("reads_pipes.py", InputDataConfig=[channel], HyperParameters=parameters)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    return world.unpack(job["ModelArtifacts"]["S3ModelArtifacts"])


def _failure(world: World, channel: dict[str, Any], program: str = "reads_pipes.py", *arguments: str) -> str:
    named = arguments or ("training", "1")
    job = world.train(
        program,
        InputDataConfig=[channel],
        HyperParameters={f"a{number}": value for number, value in enumerate(named)},
    )
    assert job["TrainingJobStatus"] == "Failed", job
    return str(job["FailureReason"])


def _records(stream: bytes) -> list[bytes]:
    """Read RecordIO as its public description has it."""
    found = []
    while stream:
        magic, length = struct.unpack_from("<II", stream)
        assert magic == _MAGIC
        found.append(stream[8 : 8 + length])
        padding = -length % 4
        assert stream[8 + length : 8 + length + padding] == b"\0" * padding
        stream = stream[8 + length + padding :]
    return found


def _lines(world: World, *lines: dict[str, Any]) -> str:
    text = "\n".join(json.dumps(line) for line in lines)
    return world.put(f"manifests/{uuid.uuid4().hex}", text)


def _augmented(world: World, *lines: dict[str, Any], names: list[str], **more: Any) -> dict[str, Any]:
    asked = {"RecordWrapperType": "RecordIO", **more}
    return _channel(_lines(world, *lines), "AugmentedManifestFile", {"AttributeNames": names}, **asked)


def test_each_epoch_comes_through_a_pipe_of_its_own_with_all_objects_one_after_the_other(world: World) -> None:
    found = _read(world, _channel(_place(world, a=b"first", b=b"second", c=b"")), epochs=3)
    assert found.pop("before.txt") == b"training_0"
    assert found == {f"{epoch}.bin": b"firstsecond" for epoch in range(3)}


def test_what_is_larger_than_any_buffer_comes_whole(world: World) -> None:
    body = bytes(range(256)) * 20_000
    assert _read(world, _channel(_place(world, a=body, b=body)))["0.bin"] == body * 2


def test_a_program_may_leave_an_epoch_early_and_finds_the_next_one_from_its_beginning(world: World) -> None:
    uri = _place(world, a=b"head" + bytes(5_000_000))
    job = world.train("reads_a_little.py", InputDataConfig=[_channel(uri)])
    assert world.unpack(job["ModelArtifacts"]["S3ModelArtifacts"]) == {"0.bin": b"head", "1.bin": b"head"}


def test_a_program_that_reads_no_pipe_ends_as_ever(world: World) -> None:
    job = world.train("leaves_no_model.py", InputDataConfig=[_channel(_place(world, a=b"unread"))])
    assert job["TrainingJobStatus"] == "Completed"


def test_gzip_is_unpacked_on_its_way_also_of_several_members(world: World) -> None:
    body = gzip.compress(b"one " * 500_000) + gzip.compress(b"two")
    found = _read(world, _channel(_place(world, a=body, b=gzip.compress(b"!")), CompressionType="Gzip"))
    assert found["0.bin"] == b"one " * 500_000 + b"two!"


@pytest.mark.parametrize("body", [b"plain", gzip.compress(b"cut" * 1000)[:-12]], ids=["no gzip", "cut short"])
def test_an_object_that_is_no_whole_gzip_fails_the_job_and_no_end_is_feigned(world: World, body: bytes) -> None:
    reason = _failure(world, _channel(_place(world, a=body), CompressionType="Gzip"))
    assert reason.startswith("ClientError: Data download failed: s3://")
    assert "gzip" in reason


def test_each_object_becomes_one_record(world: World) -> None:
    bodies = {"a": b"1234", "b": b"12345", "c": b"", "d": b"x" * 3_000_001}
    found = _read(world, _channel(_place(world, **bodies), RecordWrapperType="RecordIO"))
    assert _records(found["0.bin"]) == list(bodies.values())


def test_an_unpacked_object_becomes_one_record_too(world: World) -> None:
    uri = _place(world, a=gzip.compress(b"first"), b=gzip.compress(b"second one"))
    found = _read(world, _channel(uri, CompressionType="Gzip", RecordWrapperType="RecordIO"))
    assert _records(found["0.bin"]) == [b"first", b"second one"]


def test_a_manifest_is_read_in_its_own_order(world: World) -> None:
    uri = _place(world, a=b"a", b=b"b", c=b"c")
    manifest = world.put(f"manifests/{uuid.uuid4().hex}", json.dumps([{"prefix": uri}, "c", "a"]))
    assert _read(world, _channel(manifest, "ManifestFile"))["0.bin"] == b"ca"


def test_a_seed_gives_each_epoch_an_order_of_its_own_and_the_same_job_the_same_orders(world: World) -> None:
    letters = "abcdefghijklmnop"
    uri = _place(world, **{letter: letter.encode() for letter in letters})
    first = _read(world, _channel(uri, ShuffleConfig={"Seed": 7}), epochs=2)
    again = _read(world, _channel(uri, ShuffleConfig={"Seed": 7}), epochs=2)
    other = _read(world, _channel(uri, ShuffleConfig={"Seed": 8}), epochs=2)
    orders = [first["0.bin"], first["1.bin"], other["0.bin"], letters.encode()]
    assert len(set(orders)) == 4
    assert all(sorted(order) == sorted(letters.encode()) for order in orders)
    assert again == first


def test_an_augmented_manifest_gives_the_asked_attributes_of_each_line_in_their_order(world: World) -> None:
    uri = _place(world, a=b"the first image", b=b"the second")
    lines = [
        {"label": 1, "source-ref": f"{uri}a", "unasked": "never seen", "boxes": {"n": [1, 2]}, "text": "søster"},
        {"source-ref": f"{uri}b", "label": 0, "boxes": {"n": []}, "text": ""},
    ]
    found = _read(world, _augmented(world, *lines, names=["source-ref", "label", "boxes", "text"]))
    first = [b"the first image", b"1", b'{"n": [1, 2]}', "søster".encode()]
    assert _records(found["0.bin"]) == [*first, b"the second", b"0", b'{"n": []}', b""]


def test_the_lines_of_an_augmented_manifest_are_drawn_by_the_seed(world: World) -> None:
    lines = [{"label": number} for number in range(12)]
    found = _read(world, _augmented(world, *lines, names=["label"], ShuffleConfig={"Seed": 1}), epochs=2)
    orders = [[int(record) for record in _records(found[name])] for name in ("0.bin", "1.bin")]
    assert orders[0] != orders[1] != list(range(12)) != orders[0]
    assert [sorted(order) for order in orders] == [list(range(12))] * 2


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({"source-ref": "s3://bucket/none"}, "has no attribute label"),
        ({"source-ref": "elsewhere", "label": 1}, "the attribute source-ref in"),
    ],
)
def test_a_line_that_does_not_have_what_was_asked_fails_the_job(
    world: World, line: dict[str, Any], reason: str
) -> None:
    assert reason in _failure(world, _augmented(world, line, names=["source-ref", "label"]))


def test_an_object_that_is_missing_in_the_middle_of_an_epoch_fails_the_job_before_the_program_thinks_it_has_all(
    world: World,
) -> None:
    uri = _place(world, a=b"there")
    channel = _augmented(world, {"x-ref": f"{uri}a"}, {"x-ref": f"{uri}gone"}, names=["x-ref"])
    job = world.train("reads_pipes.py", InputDataConfig=[channel], HyperParameters={"a": "training", "b": "1"})
    assert job["FailureReason"].startswith(f"ClientError: Data download failed: {uri}gone: 404")
    found = world.s3.list_objects_v2(Bucket=world.bucket, Prefix=f"out/{job['TrainingJobName']}/")
    assert found["KeyCount"] == 0  # it writes a file when it has come to an end


def test_a_link_that_a_program_puts_in_the_place_of_its_pipe_is_not_written_through(
    world: World, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.write_text("untouched")
    reason = _failure(world, _channel(_place(world, a=b"data")), "replaces_its_pipe.py", str(outside))
    assert reason.startswith("ClientError: Data download failed: training_0")
    assert outside.read_text() == "untouched"


_NAMES = {"AttributeNames": ["label"]}
_MANIFEST = "AugmentedManifestFile"


@pytest.mark.parametrize(
    ("channel", "message"),
    [
        (_channel("s3://b/k", _MANIFEST, {}, RecordWrapperType="RecordIO"), "AttributeNames is required"),
        (_channel("s3://b/k", _MANIFEST, _NAMES), "RecordWrapperType must be RecordIO"),
        (
            _channel("s3://b/k", _MANIFEST, _NAMES, RecordWrapperType="RecordIO", InputMode="File"),
            "AugmentedManifestFile is only supported with Pipe input mode",
        ),
        (_channel("s3://b/k", "S3Prefix", _NAMES), "AttributeNames is only supported"),
        (_channel("s3://b/k", CompressionType="Gzip", InputMode="File"), "Gzip is only supported with Pipe"),
        (_channel("s3://b/k", RecordWrapperType="RecordIO", InputMode="FastFile"), "RecordIO is only supported with"),
    ],
)
def test_what_does_not_go_together_in_a_channel_is_refused_at_once(
    world: World, channel: dict[str, Any], message: str
) -> None:
    request = world.job_request("raises.py", InputDataConfig=[channel])
    with pytest.raises(ClientError, match=message) as refused:
        world.sagemaker.create_training_job(**request)
    assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_the_mode_of_the_job_is_that_of_channels_that_name_none(world: World) -> None:
    channel = _channel(_place(world, a=b"through a pipe"))
    del channel["InputMode"]
    request = world.job_request("reads_pipes.py", HyperParameters={"channel": "training", "epochs": "1"})
    request["AlgorithmSpecification"]["TrainingInputMode"] = "Pipe"
    world.sagemaker.create_training_job(**request, InputDataConfig=[channel])
    job = world.ended(request["TrainingJobName"])
    assert world.unpack(job["ModelArtifacts"]["S3ModelArtifacts"])["0.bin"] == b"through a pipe"


def test_fast_files_are_there_under_the_channel(world: World) -> None:
    channel = _channel(_place(world, a=b"x"), InputMode="FastFile")
    job = world.train("tells_what_it_sees.py", InputDataConfig=[channel])
    seen = json.loads(world.unpack(job["ModelArtifacts"]["S3ModelArtifacts"])["seen.json"])
    assert seen["files"] == ["training", "training/a"]
    assert seen["config"]["inputdataconfig"]["training"]["TrainingInputMode"] == "FastFile"


def test_a_key_with_dots_for_a_folder_is_read_as_it_stands(world: World) -> None:
    place = _place(world, **{"a/../b": b"dotted", "b": b"plain"})
    assert _read(world, _channel(f"{place}a/"))["0.bin"] == b"dotted"
