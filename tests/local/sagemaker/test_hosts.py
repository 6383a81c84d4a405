from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dropforge.local.sagemaker import sandbox
from dropforge.local.sagemaker.sandbox.network import SWITCH, Network, NetworkError
from tests.local.sagemaker.world import World, until


def _resources(count: int) -> dict[str, Any]:
    return {"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": count, "VolumeSizeInGB": 1}}


def _groups(**counts: int) -> dict[str, Any]:
    each = [
        {"InstanceGroupName": name, "InstanceType": kind, "InstanceCount": count}
        for (name, count), kind in zip(counts.items(), ("ml.m5.large", "ml.m5.xlarge"), strict=False)
    ]
    return {"ResourceConfig": {"InstanceGroups": each, "VolumeSizeInGB": 1}}


def _channel(world: World, name: str, count: int, **source: Any) -> dict[str, Any]:
    prefix = f"data/{uuid.uuid4().hex[:8]}/"
    for number in range(count):
        world.put(f"{prefix}{number}")
    data = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{world.bucket}/{prefix}", **source}
    return {"ChannelName": name, "DataSource": {"S3DataSource": data}}


def _met(world: World, **more: Any) -> tuple[str, dict[str, Any]]:
    """Run the program whose hosts meet; gives the job's name and what each host told."""
    job = world.train("meets_the_others.py", **more)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    left = world.unpack(job["ModelArtifacts"]["S3ModelArtifacts"])
    return job["TrainingJobName"], {name.removesuffix(".json"): json.loads(text) for name, text in left.items()}


@pytest.mark.walls("algo-1, algo-2, …")
def test_hosts_reach_one_another_by_name_on_one_port_and_nobody_else(world: World) -> None:
    name, told = _met(world, **_resources(3))
    hosts = ["algo-1", "algo-2", "algo-3"]
    assert sorted(told) == hosts
    for host, one in told.items():
        assert sorted(one["heard"]) == hosts
        assert len(set(one["heard"].values())) == 3
        assert one["name"] == one["config"]["current_host"] == host
        assert one["config"]["hosts"] == hosts
        assert one["config"]["network_interface_name"] == "eth0"
        assert one["outside"] == "[Errno 101] Network is unreachable"
    streams = world.logs.describe_log_streams(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{name}/"
    )["logStreams"]
    assert sorted(stream["logStreamName"].split("/")[1].rpartition("-")[0] for stream in streams) == hosts
    assert {f"{host} has met 3" for host in hosts} <= set(world.log(name))


@pytest.mark.walls("algo-1, algo-2, …")
def test_no_program_starts_before_all_hosts_can_be_reached(tmp_path: Path) -> None:
    network = Network(("algo-1", "algo-2"))
    first = sandbox.start(sandbox.Spec(("true",), tmp_path / "one", seat=network.seat("algo-1")))
    other = sandbox.start(sandbox.Spec(("true",), tmp_path / "other"))
    assert other.wait(60) == 0
    other.output.close()
    assert first.wait(0.2) is None  # it was there before and would have ended, too: it waits for the other host
    first.begin()
    assert first.wait(60) == 0
    first.output.close()
    network.close()


@pytest.mark.walls("algo-1, algo-2, …")
def test_a_network_that_the_kernel_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    refusing = tmp_path / "switch.py"
    refusing.write_text(SWITCH.read_text().replace("NEW_USER | NEW_NET)", "-1)"))
    with pytest.raises(NetworkError, match=r"the network between hosts: .*unshare"):
        Network(("algo-1",), refusing)


@pytest.mark.walls("algo-1, algo-2, …")
def test_a_sharded_channel_is_split_between_the_hosts_and_a_replicated_one_is_not(world: World) -> None:
    sharded = _channel(world, "sharded", 5, S3DataDistributionType="ShardedByS3Key")
    whole = _channel(world, "whole", 2)
    _, told = _met(world, InputDataConfig=[sharded], **_resources(2))
    assert [told[host]["files"] for host in ("algo-1", "algo-2")] == [["0", "2", "4"], ["1", "3"]]
    _, told = _met(world, InputDataConfig=[whole], **_resources(2))
    assert [told[host]["files"] for host in ("algo-1", "algo-2")] == [["0", "1"]] * 2


@pytest.mark.walls("algo-1, algo-2, …")
def test_a_shuffled_and_sharded_channel_comes_whole_over_all_hosts(world: World) -> None:
    channel = _channel(world, "sharded", 7, S3DataDistributionType="ShardedByS3Key")
    _, told = _met(world, InputDataConfig=[{**channel, "ShuffleConfig": {"Seed": 3}}], **_resources(2))
    one, two = (told[host]["files"] for host in ("algo-1", "algo-2"))
    assert sorted(one + two) == [str(number) for number in range(7)]
    assert len(one) == 4


@pytest.mark.walls("algo-1, algo-2, …")
def test_each_group_has_its_hosts_and_gets_the_channels_that_name_it(world: World) -> None:
    only = _channel(world, "only", 3, InstanceGroupNames=["readers"], S3DataDistributionType="ShardedByS3Key")
    _, told = _met(world, InputDataConfig=[only], **_groups(writers=1, readers=2))
    assert [told[host]["files"] for host in sorted(told)] == [[], ["0", "2"], ["1"]]
    config = told["algo-3"]["config"]
    assert (config["current_group_name"], config["current_instance_type"]) == ("readers", "ml.m5.xlarge")
    assert config["instance_groups"] == [
        {"instance_group_name": "writers", "instance_type": "ml.m5.large", "hosts": ["algo-1"]},
        {"instance_group_name": "readers", "instance_type": "ml.m5.xlarge", "hosts": ["algo-2", "algo-3"]},
    ]


@pytest.mark.walls("algo-1, algo-2, …")
def test_a_job_fails_with_the_host_that_fails_and_the_others_are_asked_to_end(world: World) -> None:
    job = world.train("fails_on_one_host.py", **_resources(3))
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: the second host is tired, exit code: 7"
    output = f"s3://{world.bucket}/out/{job['TrainingJobName']}/output/output.tar.gz"
    assert world.unpack(output) == {"algo-1.txt": b"asked to end", "algo-3.txt": b"asked to end"}


@pytest.mark.walls("algo-1, algo-2, …")
def test_all_hosts_are_stopped_when_the_job_is(world: World) -> None:
    name = world.begin("reports_progress.py", **_resources(2))
    until(lambda: world.log(name).count("accuracy=0.75") == 2)
    world.sagemaker.stop_training_job(TrainingJobName=name)
    assert world.ended(name)["TrainingJobStatus"] == "Stopped"


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (_resources(9), "ResourceLimitExceeded", "is 8 Instances, .* request delta of 9 Instances"),
        (_resources(0), "ValidationException", "needs InstanceType and InstanceCount"),
        (
            {"ResourceConfig": {**_resources(1)["ResourceConfig"], **_groups(one=1)["ResourceConfig"]}},
            "ValidationException",
            "either InstanceGroups or",
        ),
    ],
)
def test_instances_that_cannot_be_had_are_refused(
    world: World, change: dict[str, Any], code: str, message: str
) -> None:
    with pytest.raises(ClientError, match=message) as refused:
        world.sagemaker.create_training_job(**world.job_request("raises.py", **change))
    assert refused.value.response["Error"]["Code"] == code


def test_two_groups_of_one_name_are_refused(world: World) -> None:
    change = _groups(writers=1, readers=1)
    for group in change["ResourceConfig"]["InstanceGroups"]:
        group["InstanceGroupName"] = "same"
    with pytest.raises(ClientError, match="Instance group names must be unique within a training job: same"):
        world.sagemaker.create_training_job(**world.job_request("raises.py", **change))


def test_a_channel_for_a_group_that_is_not_there_is_refused(world: World) -> None:
    channel = _channel(world, "only", 1, InstanceGroupNames=["readers"])
    with pytest.raises(ClientError, match="names the instance group readers"):
        world.sagemaker.create_training_job(
            **world.job_request("raises.py", InputDataConfig=[channel], **_groups(writers=1))
        )


def test_an_entry_point_and_arguments_take_the_place_of_train(world: World) -> None:
    request = world.job_request("leaves_no_model.py")
    code = "import sys; open('/opt/ml/model/said.txt', 'w').write(' '.join(sys.argv[1:]))"
    request["AlgorithmSpecification"] |= {
        "ContainerEntrypoint": ["python", "-c", code],
        "ContainerArguments": ["--depth", "3"],
    }
    world.sagemaker.create_training_job(**request)
    job = world.ended(request["TrainingJobName"])
    assert job["AlgorithmSpecification"]["ContainerArguments"] == ["--depth", "3"]
    assert world.unpack(job["ModelArtifacts"]["S3ModelArtifacts"]) == {"said.txt": b"--depth 3"}
