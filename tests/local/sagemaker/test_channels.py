from __future__ import annotations

import json
import re
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.sagemaker.world import World

_STRANGE = (
    "with space.png",
    "a+b/plus.png",
    "50%/percent%20.png",
    "søster/日本.png",
    "deep/er/and/deeper/x",
    "~!@$&*()_='\",;: end",
)


def _channel(uri: str, kind: str = "S3Prefix", name: str = "training") -> dict[str, Any]:
    return {"ChannelName": name, "DataSource": {"S3DataSource": {"S3DataType": kind, "S3Uri": uri}}}


def _files(world: World, *channels: dict[str, Any]) -> list[str]:
    job = world.train("tells_what_it_sees.py", InputDataConfig=list(channels))
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    files: list[str] = json.loads(world.unpack(job["ModelArtifacts"]["S3ModelArtifacts"])["seen.json"])["files"]
    return files


def _failure(world: World, channel: dict[str, Any]) -> str:
    job = world.train("tells_what_it_sees.py", InputDataConfig=[channel])
    assert job["TrainingJobStatus"] == "Failed"
    return str(job["FailureReason"])


def _place(world: World, *keys: str) -> str:
    """Put objects below a prefix of their own; gives its URI, with a slash."""
    prefix = f"data/{uuid.uuid4().hex[:8]}/"
    for key in keys:
        world.put(prefix + key)
    return f"s3://{world.bucket}/{prefix}"


def _manifest(world: World, prefix: str, *names: str) -> str:
    return world.put(f"manifests/{uuid.uuid4().hex}", json.dumps([{"prefix": prefix}, *names]))


def test_a_prefix_brings_everything_below_it(world: World) -> None:
    uri = _place(world, "a/1.png", "b/2.png", "folder/")
    assert [name for name in _files(world, _channel(uri)) if "." in name] == ["training/a/1.png", "training/b/2.png"]


def test_a_prefix_without_a_slash_is_a_plain_prefix(world: World) -> None:
    uri = _place(world, "train/1.png", "training/2.png")
    found = _files(world, _channel(f"{uri}train"))
    assert [name for name in found if name.endswith(".png")] == ["training/1.png", "training/training/2.png"]


def test_a_single_object_keeps_its_name(world: World) -> None:
    assert _files(world, _channel(_place(world, "set.csv") + "set.csv")) == ["training", "training/set.csv"]


def test_a_manifest_brings_what_it_lists_and_nothing_else(world: World) -> None:
    uri = _place(world, "one.png", "two.png", "later.png")
    found = _files(world, _channel(_manifest(world, uri, "one.png", "two.png"), "ManifestFile"))
    assert found == ["training", "training/one.png", "training/two.png"]


def test_strange_keys_arrive_under_their_own_names(world: World) -> None:
    uri = _place(world, *_STRANGE)
    found = _files(world, _channel(_manifest(world, uri, *_STRANGE), "ManifestFile"), _channel(uri, name="listed"))
    for name in _STRANGE:
        assert f"training/{name}" in found
        assert f"listed/{name}" in found


def test_a_key_that_is_both_a_file_and_a_folder_fails_the_job(world: World) -> None:
    uri = _place(world, "a", "a/b")
    reason = _failure(world, _channel(uri))
    assert reason == f"ClientError: Data download failed: {uri}a is both a file and a folder."


def test_a_key_that_leads_out_of_the_channel_fails_the_job(world: World) -> None:
    uri = _place(world, "fine")
    reason = _failure(world, _channel(_manifest(world, uri, "../../model/planted"), "ManifestFile"))
    assert reason.startswith("ClientError: Data download failed")
    assert "cannot be the name of a file" in reason


def test_an_object_that_a_manifest_names_in_vain_fails_the_job(world: World) -> None:
    uri = _place(world, "there")
    reason = _failure(world, _channel(_manifest(world, uri, "there", "gone"), "ManifestFile"))
    assert reason.startswith(f"ClientError: Data download failed: {uri}gone: 404")


def test_a_manifest_that_is_none_fails_the_job(world: World) -> None:
    uri = world.put("manifests/broken", "{}")
    assert "is not a list that begins with a prefix" in _failure(world, _channel(uri, "ManifestFile"))


@pytest.mark.parametrize("uri", ["https://bucket.s3.amazonaws.com/key", "s3://No_Bucket!/key", "s3://bucket?x=1/key"])
def test_an_address_that_no_bucket_has_is_refused_like_one_that_names_nothing(world: World, uri: str) -> None:
    request = world.job_request("raises.py", InputDataConfig=[_channel(uri)])
    with pytest.raises(ClientError, match="No S3 objects found under S3 URL"):
        world.sagemaker.create_training_job(**request)


def test_a_source_at_an_address_that_no_bucket_has_fails_the_job_as_the_client_s_mistake(world: World) -> None:
    job = world.train("raises.py", HyperParameters={"sagemaker_submit_directory": "s3://No_Bucket!/code.tar.gz"})
    assert job["FailureReason"].startswith("ClientError: "), job["FailureReason"]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((".",), "data/. is no folder of its own"),
        (("..",), "data/.. is no folder of its own"),
        (("rows_0", "rows"), "data/rows_0 is a pipe of the channel rows"),
        (("rows", "rows_17"), "data/rows_17 is a pipe of the channel rows"),
    ],
)
def test_a_channel_whose_name_leads_elsewhere_or_is_a_pipes_is_refused(
    world: World, names: tuple[str, ...], said: str
) -> None:
    uri = _place(world, "config/hyperparameters.json")
    modes = {"rows": "Pipe"}
    channels = [{**_channel(uri, name=name), "InputMode": modes.get(name, "File")} for name in names]
    with pytest.raises(ClientError, match=re.escape(said)) as refused:
        world.sagemaker.create_training_job(**world.job_request("raises.py", InputDataConfig=channels))
    assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_channels_may_be_named_like_pipes_of_none(world: World) -> None:
    uri = _place(world, "1.png")
    channels = [_channel(uri, name="rows"), _channel(uri, name="rows_0")]
    assert {name for name in _files(world, *channels) if "." in name} == {"rows/1.png", "rows_0/1.png"}


def test_a_prefix_that_names_nothing_is_refused_at_once(world: World) -> None:
    request = world.job_request("raises.py", InputDataConfig=[_channel(f"s3://{world.bucket}/nothing/here")])
    with pytest.raises(ClientError, match="No S3 objects found under S3 URL") as refused:
        world.sagemaker.create_training_job(**request)
    assert refused.value.response["Error"]["Code"] == "ValidationException"
