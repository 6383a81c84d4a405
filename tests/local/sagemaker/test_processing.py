from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.sagemaker.world import FINAL, IMAGE, PROGRAMS, ROLE, World, until

_CODE = "/opt/ml/processing/input/code"
_GROUP = "/aws/sagemaker/ProcessingJobs"


def _input(name: str, uri: str, path: str, kind: str = "S3Prefix") -> dict[str, Any]:
    side = {"S3Uri": uri, "LocalPath": path, "S3DataType": kind, "S3InputMode": "File"}
    return {"InputName": name, "S3Input": side}


def _output(uri: str, mode: str = "EndOfJob", path: str = "/opt/ml/processing/out") -> dict[str, Any]:
    return {"OutputName": "out", "S3Output": {"S3Uri": uri, "LocalPath": path, "S3UploadMode": mode}}


def _request(
    world: World, program: str, *inputs: dict[str, Any], mode: str = "EndOfJob", **more: Any
) -> dict[str, Any]:
    """Ask for a job as ScriptProcessor does: the script is an input, and the entry point runs it."""
    name = f"processing-{uuid.uuid4().hex[:12]}"
    code = world.put(f"code/{name}/{program}", (PROGRAMS / program).read_bytes())
    cluster = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
    return {
        "ProcessingJobName": name,
        "ProcessingInputs": [*inputs, _input("code", code, _CODE)],
        "ProcessingOutputConfig": {"Outputs": [_output(f"s3://{world.bucket}/{name}/out", mode)]},
        "ProcessingResources": {"ClusterConfig": cluster},
        "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": ["python3", f"{_CODE}/{program}"]},
        "RoleArn": ROLE,
        **more,
    }


def _begin(world: World, request: dict[str, Any]) -> str:
    world.sagemaker.create_processing_job(**request)
    return str(request["ProcessingJobName"])


def _job(world: World, name: str) -> dict[str, Any]:
    answer: dict[str, Any] = world.sagemaker.describe_processing_job(ProcessingJobName=name)
    return answer


def _ended(world: World, name: str) -> dict[str, Any]:
    return until(lambda: job if (job := _job(world, name))["ProcessingJobStatus"] in FINAL else None, seconds=60)


def _run(world: World, request: dict[str, Any]) -> dict[str, Any]:
    return _ended(world, _begin(world, request))


def _out(world: World, name: str) -> dict[str, str]:
    """Read all outputs of a job."""
    prefix = f"{name}/out/"
    found = world.s3.list_objects_v2(Bucket=world.bucket, Prefix=prefix).get("Contents", ())
    return {
        one["Key"].removeprefix(prefix): world.s3.get_object(Bucket=world.bucket, Key=one["Key"])["Body"]
        .read()
        .decode()
        for one in found
    }


def _data(world: World, *names: str) -> str:
    prefix = f"data/{uuid.uuid4().hex[:8]}/"
    for name in names:
        world.put(prefix + name, name)
    return f"s3://{world.bucket}/{prefix}"


def test_a_job_brings_its_inputs_runs_its_entry_point_and_takes_its_outputs_back(world: World) -> None:
    data = _data(world, "one.txt", "deep/two.txt")
    request = _request(
        world,
        "processes.py",
        _input("data", data, "/opt/ml/processing/data"),
        Environment={"COLOUR": "blue"},
        Tags=[{"Key": "team", "Value": "digits"}],
    )
    request["AppSpecification"]["ContainerArguments"] = ["--rows", "7"]
    job = _run(world, request)
    assert job["ProcessingJobStatus"] == "Completed", job.get("FailureReason")
    assert job["ExitMessage"] == "all in capitals"
    assert job["CreationTime"] <= job["ProcessingStartTime"] <= job["ProcessingEndTime"]
    out = _out(world, job["ProcessingJobName"])
    assert (out["one.txt"], out["two.txt"]) == ("ONE.TXT", "DEEP/TWO.TXT")
    seen = json.loads(out["deep/er/seen.json"])
    assert seen["environment"]["COLOUR"] == "blue"
    assert seen["config"]["resourceconfig.json"] == {"current_host": "algo-1", "hosts": ["algo-1"]}
    assert seen["config"]["processingjobconfig.json"]["ProcessingJobArn"] == job["ProcessingJobArn"]
    assert {"data/deep/two.txt", "input/code/processes.py", "out"} <= set(seen["files"])
    assert "arguments --rows 7" in world.log(job["ProcessingJobName"], _GROUP)
    told = world.told(job["ProcessingJobName"], 3)
    assert [event["ProcessingJobStatus"] for event in told] == ["InProgress", "InProgress", "Completed"]
    assert told[-1]["ProcessingEndTime"] == pytest.approx(job["ProcessingEndTime"].timestamp() * 1000, abs=2)
    assert told[-1]["Tags"] == {"team": "digits"}


@pytest.mark.walls("/opt/ml")  # as SageMaker's SDK writes it
def test_a_shell_script_of_a_framework_processor_unpacks_its_source_and_runs_it(world: World) -> None:
    source = world.put_archive({"processes.py": (PROGRAMS / "processes.py").read_bytes()})
    script = f"cd {_CODE} && tar -xzf *.tar.gz && python3 processes.py\n"
    entry = world.put(f"entry/{uuid.uuid4().hex}/runproc.sh", script)
    request = _request(world, "processes.py")
    request["ProcessingInputs"] = [
        _input("code", source, _CODE),
        _input("entrypoint", entry, "/opt/ml/processing/input/entrypoint"),
    ]
    request["AppSpecification"]["ContainerEntrypoint"] = ["/bin/bash", "/opt/ml/processing/input/entrypoint/runproc.sh"]
    assert _run(world, request)["ProcessingJobStatus"] == "Completed"


def test_a_manifest_brings_what_it_lists(world: World) -> None:
    data = _data(world, "one.txt", "two.txt")
    manifest = world.put(f"manifests/{uuid.uuid4().hex}", json.dumps([{"prefix": data}, "two.txt"]))
    given = _input("data", manifest, "/opt/ml/processing/data", "ManifestFile")
    job = _run(world, _request(world, "processes.py", given))
    assert set(_out(world, job["ProcessingJobName"])) == {"two.txt", "deep/er/seen.json"}


def test_a_program_that_fails_leaves_its_message_and_no_output(world: World) -> None:
    job = _run(world, _request(world, "processes.py", Environment={"EXIT": "3"}))
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: See job logs for more information"
    assert job["ExitMessage"] == "all in capitals"
    assert _out(world, job["ProcessingJobName"]) == {}


def test_an_input_that_is_not_there_fails_the_job(world: World) -> None:
    given = _input("data", f"s3://{world.bucket}/nowhere/", "/opt/ml/processing/data")
    reason = _run(world, _request(world, "processes.py", given))["FailureReason"]
    assert reason.startswith("ClientError: Data download failed")


@pytest.mark.walls("algo-1, algo-2, …")
def test_several_hosts_get_their_share_of_what_is_sharded_reach_one_another_and_put_their_outputs_together(
    world: World,
) -> None:
    data = _data(world, "a.txt", "b.txt", "c.txt")
    sharded = _input("data", data, "/opt/ml/processing/data")
    sharded["S3Input"]["S3DataDistributionType"] = "ShardedByS3Key"
    cluster = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}
    job = _run(world, _request(world, "shares.py", sharded, ProcessingResources={"ClusterConfig": cluster}))
    assert job["ProcessingJobStatus"] == "Completed", job.get("FailureReason")
    seen = {name: json.loads(body) for name, body in _out(world, job["ProcessingJobName"]).items()}
    assert seen == {
        "algo-1.json": {"files": ["a.txt", "c.txt"], "hosts": ["algo-1", "algo-2"], "heard": "algo-2"},
        "algo-2.json": {"files": ["b.txt"], "hosts": ["algo-1", "algo-2"], "heard": "algo-1"},
    }
    assert job["ExitMessage"] == "from algo-1"


@pytest.mark.walls("algo-1, algo-2, …")
def test_a_host_that_fails_ends_the_others_and_the_job(world: World) -> None:
    cluster = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}
    resources = {"ClusterConfig": cluster}
    request = _request(world, "shares.py", ProcessingResources=resources, Environment={"FAILS": "algo-2"})
    job = _run(world, request)
    assert job["ProcessingJobStatus"] == "Failed"
    assert "here from algo-1" in world.log(job["ProcessingJobName"], _GROUP)


def test_continuous_outputs_arrive_while_the_job_runs_and_links_and_pipes_never_do(world: World) -> None:
    name = _begin(world, _request(world, "writes_on_and_on.py", mode="Continuous"))
    until(lambda: _out(world, name) == {"early.txt": "while it runs"})
    assert _job(world, name)["ProcessingJobStatus"] == "InProgress"
    world.sagemaker.stop_processing_job(ProcessingJobName=name)
    assert _ended(world, name)["ProcessingJobStatus"] == "Stopped"
    assert _out(world, name) == {"early.txt": "while it runs"}
    told = [event["ProcessingJobStatus"] for event in world.told(name, 4)]
    assert told == ["InProgress", "InProgress", "Stopping", "Stopped"]


def test_a_job_that_runs_too_long_is_stopped(world: World) -> None:
    limit = {"MaxRuntimeInSeconds": 1}
    job = _run(world, _request(world, "writes_on_and_on.py", StoppingCondition=limit))
    assert job["ProcessingJobStatus"] == "Stopped"
    assert "MaxRuntimeInSeconds" in job["FailureReason"]


def test_a_job_cut_short_by_the_end_of_the_cloud_has_failed_when_it_starts_again(world: World) -> None:
    name = _begin(world, _request(world, "writes_on_and_on.py"))
    until(lambda: "written" in world.log(name, _GROUP))
    world.stop()
    world.start()
    job = _job(world, name)
    assert job["ProcessingJobStatus"] == "Failed"
    assert "the local cloud was stopped" in job["FailureReason"].lower()


def _refused(world: World, code: str, said: str, **change: Any) -> None:
    request = _request(world, "processes.py", **change)
    with pytest.raises(ClientError, match=said) as refused:
        world.sagemaker.create_processing_job(**request)
    assert refused.value.response["Error"]["Code"] == code


def test_what_cannot_be_run_is_refused_at_once(world: World) -> None:
    invalid = "ValidationException"
    cluster = {"InstanceType": "ml.m5.large", "InstanceCount": 9, "VolumeSizeInGB": 1}
    _refused(world, "ResourceLimitExceeded", "is 8 Instances", ProcessingResources={"ClusterConfig": cluster})
    _refused(world, invalid, "has no program process", AppSpecification={"ImageUri": IMAGE})
    _refused(world, invalid, "stand-ins for", AppSpecification={"ImageUri": "mine:1"})
    long = f"/opt/ml/processing/{'ü' * 200}"
    for path in ("/opt/ml/model", "/opt/ml/processing/../model", "/opt/ml/processing", long):
        side = {"Outputs": [_output("s3://any/where", path=path)]}
        _refused(world, invalid, "must begin with /opt/ml/processing/", ProcessingOutputConfig=side)
    twice = [_input("a", "s3://any/a", "/opt/ml/processing/a"), _input("b", "s3://any/b", "/opt/ml/processing/a/")]
    _refused(world, invalid, "must be unique", ProcessingInputs=twice)


def test_names_are_used_once_for_ever_and_what_is_not_there_or_has_ended_cannot_be_stopped(world: World) -> None:
    request = _request(world, "processes.py")
    _run(world, request)
    with pytest.raises(world.sagemaker.exceptions.ResourceInUse, match="a job with this name already exists"):
        world.sagemaker.create_processing_job(**request)
    with pytest.raises(ClientError, match="the processing job is in status Completed"):
        world.sagemaker.stop_processing_job(ProcessingJobName=request["ProcessingJobName"])
    with pytest.raises(ClientError, match="Could not find requested job with name: none"):
        world.sagemaker.describe_processing_job(ProcessingJobName="none")


def test_jobs_are_listed_by_status_and_name_in_pages_and_may_be_tagged(world: World) -> None:
    mark = uuid.uuid4().hex[:8]
    names = [f"listed-{mark}-{number}" for number in range(3)]
    for name in names:
        _run(world, {**_request(world, "processes.py"), "ProcessingJobName": name})
    pages = world.sagemaker.get_paginator("list_processing_jobs").paginate(
        NameContains=mark, StatusEquals="Completed", PaginationConfig={"PageSize": 2}
    )
    found = [job for page in pages for job in page["ProcessingJobSummaries"]]
    assert [job["ProcessingJobName"] for job in found] == names
    assert found[0]["ProcessingEndTime"] >= found[0]["CreationTime"]
    arn = found[0]["ProcessingJobArn"]
    world.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}])
    assert world.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "1"}]
