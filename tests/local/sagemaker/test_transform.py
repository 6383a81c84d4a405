from __future__ import annotations

import gzip
import json
import re
import struct
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.sagemaker.world import FINAL, World, until

_GROUP = "/aws/sagemaker/TransformJobs"
_CSV = {"ContentType": "text/csv", "SplitType": "Line"}
_JSON = {"ContentType": "application/jsonlines", "SplitType": "Line"}


@pytest.fixture(scope="module")
def model(world: World) -> str:
    return world.config("serves_rows.py")


class _Job:
    """Objects of its own, and what became of them."""

    def __init__(self, world: World, model: str, objects: dict[str, str | bytes], **change: Any) -> None:
        self._world = world
        self.name = f"transform-{uuid.uuid4().hex[:12]}"
        for key, body in objects.items():
            world.put(f"{self.name}/in/{key}", body)
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{world.bucket}/{self.name}/in/"}
        self.request: dict[str, Any] = {
            "TransformJobName": self.name,
            "ModelName": model,
            "TransformInput": {"DataSource": {"S3DataSource": source}, **change.pop("input", {})},
            "TransformOutput": {"S3OutputPath": f"s3://{world.bucket}/{self.name}/out", **change.pop("output", {})},
            "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
            **change,
        }

    def begin(self) -> _Job:
        self._world.sagemaker.create_transform_job(**self.request)
        return self

    def described(self) -> dict[str, Any]:
        answer: dict[str, Any] = self._world.sagemaker.describe_transform_job(TransformJobName=self.name)
        return answer

    def ended(self) -> dict[str, Any]:
        return until(lambda: job if (job := self.described())["TransformJobStatus"] in FINAL else None, seconds=60)

    def done(self) -> dict[str, str]:
        job = self.begin().ended()
        assert job["TransformJobStatus"] == "Completed", self.log()
        return self.out()

    def out(self) -> dict[str, str]:
        world, prefix = self._world, f"{self.name}/out/"
        found = world.s3.list_objects_v2(Bucket=world.bucket, Prefix=prefix).get("Contents", ())
        bodies = {one["Key"]: world.s3.get_object(Bucket=world.bucket, Key=one["Key"])["Body"].read() for one in found}
        return {key.removeprefix(prefix): body.decode() for key, body in bodies.items()}

    def log(self) -> list[str]:
        return self._world.log(self.name, _GROUP)


def test_each_object_is_answered_whole_and_written_under_its_own_name(world: World, model: str) -> None:
    job = _Job(world, model, {"a.txt": "one", "deep/b.txt": "two"}, Tags=[{"Key": "team", "Value": "digits"}])
    assert job.done() == {"a.txt.out": "<one>", "deep/b.txt.out": "<two>"}
    told = world.told(job.name, 3)
    assert [event["TransformJobStatus"] for event in told] == ["InProgress", "InProgress", "Completed"]
    assert told[-1]["TransformEndTime"] == pytest.approx(job.described()["TransformEndTime"].timestamp() * 1000, abs=2)
    assert told[-1]["Tags"] == {"team": "digits"}
    assert any("MaxConcurrentTransforms=1, MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD" in line for line in job.log())


@pytest.mark.parametrize("end", ["", "/"])
def test_answers_may_be_left_at_the_root_of_a_bucket(world: World, model: str, end: str) -> None:
    name = f"root-{uuid.uuid4().hex[:12]}"
    job = _Job(world, model, {name: "one"}, output={"S3OutputPath": f"https://{world.bucket}.s3.amazonaws.com{end}"})
    assert job.begin().ended()["TransformJobStatus"] == "Completed", job.log()
    assert world.s3.get_object(Bucket=world.bucket, Key=f"{name}.out")["Body"].read() == b"<one>"


def test_objects_may_be_named_as_no_files_can_be(world: World, model: str) -> None:
    job = _Job(world, model, {"a": "one", "a/b": "two", "a//c": "three", "folder/": ""})
    assert job.done() == {"a.out": "<one>", "a/b.out": "<two>", "a//c.out": "<three>"}


def test_the_log_streams_are_named_after_job_instance_and_second(world: World, model: str) -> None:
    job = _Job(world, model, {"a.txt": "one"})
    job.done()
    streams = world.logs.describe_log_streams(logGroupName=_GROUP, logStreamNamePrefix=f"{job.name}/")["logStreams"]
    names = sorted(stream["logStreamName"] for stream in streams)
    assert re.fullmatch(rf"{job.name}/i-[0-9a-f]{{17}}-[0-9]{{10}}", names[0])
    assert names[1:] == [f"{names[0]}/data-log"]


def test_lines_are_sent_together_or_one_by_one_and_put_together_again(world: World, model: str) -> None:
    rows = "1,2\n3,4\n5,6\n"
    together = _Job(world, model, {"rows.csv": rows}, input=_CSV, output={"AssembleWith": "Line"})
    assert together.done() == {"rows.csv.out": "3.0\n7.0\n11.0\n"}
    plain = _Job(world, model, {"rows": "a\nb\n"}, input={"SplitType": "Line"}, BatchStrategy="SingleRecord")
    assert plain.done() == {"rows.out": "<a><b>"}


def test_many_requests_at_once_keep_the_order_of_the_records(world: World, model: str) -> None:
    rows = "".join(f"{number},1\n" for number in range(40))
    job = _Job(
        world, model, {"rows.csv": rows}, input=_CSV, output={"AssembleWith": "Line"},
        BatchStrategy="SingleRecord", MaxConcurrentTransforms=4,
    )  # fmt: skip
    assert job.done()["rows.csv.out"].split() == [str(float(number + 1)) for number in range(40)]


def test_a_zipped_object_is_unpacked_first(world: World, model: str) -> None:
    job = _Job(world, model, {"a.gz": gzip.compress(b"one")}, input={"CompressionType": "Gzip"})
    assert job.done() == {"a.gz.out": "<one>"}


def test_a_manifest_names_the_objects(world: World, model: str) -> None:
    job = _Job(world, model, {"a": "one", "b": "two"})
    prefix = job.request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
    manifest = world.put(f"manifests/{job.name}", json.dumps([{"prefix": prefix}, "b"]))
    job.request["TransformInput"]["DataSource"]["S3DataSource"] = {"S3DataType": "ManifestFile", "S3Uri": manifest}
    assert job.done() == {"b.out": "<two>"}


def test_records_are_unwrapped_when_they_are_sent_alone(world: World, model: str) -> None:
    recordio = b"".join(struct.pack("<II", 0xCED7230A, 3) + data + b"\0" for data in (b"one", b"two"))
    framed = b"".join(struct.pack("<Q", 3) + b"crc!" + data + b"crc!" for data in (b"one", b"two"))
    for split, body in (("RecordIO", recordio), ("TFRecord", framed)):
        job = _Job(world, model, {"r": body}, input={"SplitType": split}, BatchStrategy="SingleRecord")
        assert job.done() == {"r.out": "<one><two>"}


def test_a_record_larger_than_a_payload_may_be_fails_its_object(world: World, model: str) -> None:
    job = _Job(world, model, {"big": "x" * 1_100_000, "small": "x"}, MaxPayloadInMB=1)
    assert job.begin().ended()["FailureReason"] == "ClientError: See job logs for more information"
    assert any("Too much data for max payload size" in line for line in job.log())
    assert job.out() == {"small.out": "<x>"}


def test_an_object_that_the_container_refuses_fails_the_job_and_only_its_own_output_is_missing(
    world: World, model: str
) -> None:
    job = _Job(world, model, {"a": "fine", "b": "bad", "c": "fine"})
    ended = job.begin().ended()
    assert ended["TransformJobStatus"] == "Failed"
    assert ended["FailureReason"] == "ClientError: See job logs for more information"
    assert job.out() == {"a.out": "<fine>", "c.out": "<fine>"}
    said = [line.partition("[sagemaker logs]: ")[2] for line in job.log()]
    assert {"b: ClientError: 400", "b: Message:", "b: no such row"} <= set(said)


def test_a_container_that_fails_is_asked_again_and_blamed_when_it_goes_on_failing(world: World, model: str) -> None:
    assert _Job(world, model, {"a": "flaky"}).done() == {"a.out": "<flaky>"}
    job = _Job(world, model, {"a": "broken"}, ModelClientConfig={"InvocationsMaxRetries": 1})
    assert job.begin().ended()["FailureReason"] == "AlgorithmError: See job logs for more information"
    assert any("Bad HTTP status received from algorithm: 500" in line for line in job.log())


def test_an_answer_that_does_not_come_in_its_time_fails_the_job(world: World, model: str) -> None:
    client = {"InvocationsMaxRetries": 0, "InvocationsTimeoutInSeconds": 1}
    job = _Job(world, model, {"a": "forever"}, ModelClientConfig=client)
    assert job.begin().ended()["FailureReason"].startswith("AlgorithmError")


def test_a_container_that_ends_by_itself_ends_the_job_however_much_there_is_to_do(world: World) -> None:
    objects: dict[str, str | bytes] = {f"{number:03}": "crash" for number in range(30)}
    job = _Job(world, world.config("crashes_when_asked.py"), objects)
    assert job.begin().ended()["FailureReason"] == "AlgorithmError: See job logs for more information"
    assert 0 < sum("Unable to get response from algorithm" in line for line in job.log()) < len(objects)


def test_a_container_knows_that_it_transforms(world: World, model: str) -> None:
    job = _Job(world, model, {"a": "environment"}, BatchStrategy="SingleRecord", Environment={"SAGEMAKER_OWN": "1"})
    seen = json.loads(job.done()["a.out"])
    assert seen["SAGEMAKER_BATCH"] == "true"
    assert seen["SAGEMAKER_BATCH_STRATEGY"] == "SINGLE_RECORD"
    assert seen["SAGEMAKER_MAX_PAYLOAD_IN_MB"] == "6"
    assert seen["SAGEMAKER_OWN"] == "1"


def test_columns_are_filtered_out_joined_and_filtered_again(world: World, model: str) -> None:
    job = _Job(
        world, model, {"rows.csv": "id1,1,2\nid2,3,4\n"}, input=_CSV,
        output={"AssembleWith": "Line", "Accept": "text/csv"},
        DataProcessing={"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"},
    )  # fmt: skip
    assert job.done() == {"rows.csv.out": "id1,3.0\nid2,7.0\n"}


def test_objects_are_joined_with_what_was_answered_to_them(world: World, model: str) -> None:
    rows = "".join(json.dumps({"id": number, "features": [number, 1]}) + "\n" for number in range(2))
    output = {"AssembleWith": "Line", "Accept": "application/jsonlines"}
    joined = {"InputFilter": "$.features", "JoinSource": "Input", "OutputFilter": "$['id','SageMakerOutput']"}
    job = _Job(world, model, {"rows": rows}, input=_JSON, output=output, DataProcessing=joined)
    found = [json.loads(line) for line in job.done()["rows.out"].splitlines()]
    assert found == [{"id": 0, "SageMakerOutput": {"score": 1}}, {"id": 1, "SageMakerOutput": {"score": 2}}]


def test_a_filter_that_finds_nothing_fails_the_object(world: World, model: str) -> None:
    filters = {"InputFilter": "$[7]"}
    job = _Job(world, model, {"rows.csv": "1,2\n"}, input=_CSV, DataProcessing=filters)
    assert job.begin().ended()["FailureReason"].startswith("ClientError")
    assert any("Fail to apply the JSONPath filter" in line for line in job.log())


def test_a_stopped_job_stops_though_an_answer_is_still_waited_for(world: World, model: str) -> None:
    job = _Job(world, model, {"a": "forever"}).begin()
    until(lambda: any("MaxConcurrentTransforms" in line for line in job.log()) or None)
    world.sagemaker.stop_transform_job(TransformJobName=job.name)
    assert job.ended()["TransformJobStatus"] == "Stopped"
    told = [event["TransformJobStatus"] for event in world.told(job.name, 4)]
    assert told == ["InProgress", "InProgress", "Stopping", "Stopped"]


def test_a_model_that_cannot_be_loaded_fails_the_job(world: World) -> None:
    job = _Job(world, world.config("cannot_load.py"), {"a": "x"})
    assert job.begin().ended()["FailureReason"] == "AlgorithmError: See job logs for more information"
    assert any("Traceback" in line for line in job.log())


def test_a_job_cut_short_by_the_end_of_the_cloud_has_failed_when_it_starts_again(world: World, model: str) -> None:
    job = _Job(world, model, {"a": "forever"}).begin()
    until(lambda: any("MaxConcurrentTransforms" in line for line in job.log()) or None)
    world.stop()
    world.start()
    assert "the local cloud was stopped" in job.described()["FailureReason"].lower()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ModelName": "none"}, 'Could not find model "arn'),
        ({"MaxPayloadInMB": 101}, "cannot exceed 100 MB"),
        ({"MaxPayloadInMB": 60, "MaxConcurrentTransforms": 2}, "cannot exceed 100 MB"),
        ({"MaxPayloadInMB": 0}, "not in the local cloud"),
        ({"input": _CSV, "DataProcessing": {"InputFilter": "features"}}, "not a valid JSONPath"),
        ({"DataProcessing": {"InputFilter": "$.a"}}, "needs a ContentType of"),
        (
            {"input": _CSV, "output": {"Accept": "application/json"}, "DataProcessing": {"JoinSource": "Input"}},
            "the same format",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_at_once(world: World, model: str, change: dict[str, Any], said: str) -> None:
    with pytest.raises(ClientError, match=said) as refused:
        _Job(world, model, {}, **change).begin()
    assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_names_are_used_once_for_ever_and_jobs_are_listed_newest_first(world: World, model: str) -> None:
    jobs = [_Job(world, model, {"a": "x"}) for _ in range(2)]
    for job in jobs:
        job.done()
    with pytest.raises(world.sagemaker.exceptions.ResourceInUse, match="already exists"):
        jobs[0].begin()
    with pytest.raises(ClientError, match="the transform job is in status Completed"):
        world.sagemaker.stop_transform_job(TransformJobName=jobs[0].name)
    with pytest.raises(ClientError, match="Could not find requested job with name: none"):
        world.sagemaker.describe_transform_job(TransformJobName="none")
    found = world.sagemaker.list_transform_jobs(StatusEquals="Completed", MaxResults=2)["TransformJobSummaries"]
    assert [one["TransformJobName"] for one in found] == [jobs[1].name, jobs[0].name]
