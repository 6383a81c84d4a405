"""Processing, transform, tuning and labelling jobs of a SageMaker that is killed, and of one that lacks instances."""

from __future__ import annotations

import io
import json
import os
import signal
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name

from dropforge.testing.server import Server, running
from tests.local.sagemaker.world import FINAL, IMAGE, PROGRAMS, ROLE, until

pytestmark = pytest.mark.slow
_INSTANCES = {"InstanceType": "ml.m5.large", "InstanceCount": 1}
_HELD, _TUNED = "held", "tuned"
_BUCKET = "bucket"


@dataclass
class Life:
    """One life of a SageMaker that keeps its state in a folder."""

    server: Server

    def __post_init__(self) -> None:
        self.sagemaker, self.s3 = self.server.client("sagemaker"), self.server.client("s3")

    def kill(self) -> None:
        os.kill(int(self.server.card["pid"]), signal.SIGKILL)

    def put(self, key: str, body: bytes | str) -> str:
        self.s3.put_object(Bucket=_BUCKET, Key=key, Body=body)
        return f"s3://{_BUCKET}/{key}"

    def source(self, program: str) -> str:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            archive.add(PROGRAMS / program, arcname=program)
        return self.put(f"code/{program}.tar.gz", packed.getvalue())

    def described(self, kind: str, name: str = _HELD) -> dict[str, Any]:
        answer: dict[str, Any] = getattr(self.sagemaker, xform_name(f"Describe{kind}"))(**{f"{kind}Name": name})
        return answer

    def when(self, kind: str, *statuses: str, name: str = _HELD) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            job = self.described(kind, name)
            return job if job[f"{kind}Status"] in statuses else None

        return until(look, seconds=90)

    def process(self, *command: str, name: str = _HELD) -> None:
        self.sagemaker.create_processing_job(
            ProcessingJobName=name,
            ProcessingResources={"ClusterConfig": {**_INSTANCES, "VolumeSizeInGB": 1}},
            AppSpecification={"ImageUri": IMAGE, "ContainerEntrypoint": list(command)},
            RoleArn=ROLE,
        )

    def transform(self, body: str, name: str = _HELD) -> None:
        environment = {
            "SAGEMAKER_PROGRAM": "serves_rows.py",
            "SAGEMAKER_SUBMIT_DIRECTORY": self.source("serves_rows.py"),
        }
        container = {"Image": IMAGE, "Environment": environment}
        self.sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
        source = {"S3DataType": "S3Prefix", "S3Uri": self.put(f"{name}/a", body)}
        self.sagemaker.create_transform_job(
            TransformJobName=name,
            ModelName=name,
            TransformInput={"DataSource": {"S3DataSource": source}},
            TransformOutput={"S3OutputPath": f"s3://{_BUCKET}/{name}/out"},
            TransformResources=_INSTANCES,
        )

    def tune(self) -> None:
        """Try each of two kinds, twice; one training job at a time."""
        program = {"sagemaker_program": "tunes.py", "sagemaker_submit_directory": self.source("tunes.py")}
        choices = [{"Name": "kind", "Values": ["good", "bad"]}, {"Name": "place", "Values": ["0.3", "0.5"]}]
        metrics = [{"Name": "score", "Regex": "score=([0-9.-]+)"}]
        self.sagemaker.create_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=_TUNED,
            HyperParameterTuningJobConfig={
                "Strategy": "Grid",
                "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
                "ResourceLimits": {"MaxParallelTrainingJobs": 1},
                "ParameterRanges": {"CategoricalParameterRanges": choices},
            },
            TrainingJobDefinition={
                "StaticHyperParameters": program,
                "AlgorithmSpecification": {
                    "TrainingImage": IMAGE, "TrainingInputMode": "File", "MetricDefinitions": metrics,
                },
                "RoleArn": ROLE,
                "OutputDataConfig": {"S3OutputPath": f"s3://{_BUCKET}/out"},
                "ResourceConfig": {**_INSTANCES, "VolumeSizeInGB": 1},
                "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            },
        )  # fmt: skip

    def label(self) -> None:
        human = {
            "WorkteamArn": "arn:aws:sagemaker:us-east-1:000000000000:workteam/private-crowd/team",
            "UiConfig": {"UiTemplateS3Uri": f"s3://{_BUCKET}/ui"},
            "TaskTitle": "t",
            "TaskDescription": "t",
            "NumberOfHumanWorkersPerDataObject": 1,
            "TaskTimeLimitInSeconds": 60,
        }
        manifest = self.put("manifest", json.dumps({"source": "text"}))
        self.sagemaker.create_labeling_job(
            LabelingJobName=_HELD,
            LabelAttributeName="seven",
            InputConfig={"DataSource": {"S3DataSource": {"ManifestS3Uri": manifest}}},
            OutputConfig={"S3OutputPath": f"s3://{_BUCKET}/labels"},
            RoleArn=ROLE,
            HumanTaskConfig=human,
        )


@contextmanager
def _living(state: Path) -> Iterator[Life]:
    with running(["sagemaker", "--state", str(state), "--speed", "0"]) as server:
        yield Life(server)


def test_whatever_is_killed_is_told_truthfully_by_the_next_life_or_goes_on(tmp_path: Path) -> None:
    with _living(tmp_path) as life:
        life.s3.create_bucket(Bucket=_BUCKET)
        life.process("sleep", "3600")
        life.transform("forever")
        life.label()
        life.tune()
        until(lambda: "ProcessingStartTime" in life.described("ProcessingJob") or None)
        until(lambda: "TransformStartTime" in life.described("TransformJob") or None)
        life.when("LabelingJob", "InProgress")
        life.kill()
    for _ in range(2):
        with _living(tmp_path) as life:
            life.when("HyperParameterTuningJob", "InProgress", "Completed", name=_TUNED)
            until(lambda life=life: _tried(life) or None)  # type: ignore[misc] # bound now, asked now
            life.kill()
    with _living(tmp_path) as life:
        for kind in ("ProcessingJob", "TransformJob"):
            job = life.described(kind)
            assert job[f"{kind}Status"] == "Failed"
            assert "The local cloud was stopped" in job["FailureReason"]
        assert life.described("LabelingJob")["LabelingJobStatus"] == "InProgress"
        life.put(f"labels/{_HELD}/manifests/output/output.manifest", json.dumps({"source": "text", "seven": 1}))
        assert life.when("LabelingJob", "Completed")["LabelCounters"]["HumanLabeled"] == 1
        tuned = life.when("HyperParameterTuningJob", *FINAL, name=_TUNED)
        assert tuned["HyperParameterTuningJobStatus"] == "Completed"
        assert tuned["BestTrainingJob"]["TunedHyperParameters"] == {"kind": "good", "place": "0.3"}
        figures = [one["TunedHyperParameters"] for one in _tried(life) if one["ObjectiveStatus"] == "Succeeded"]
        assert len({tuple(one.values()) for one in figures}) == len(figures) == 4


def _tried(life: Life) -> list[dict[str, Any]]:
    answer = life.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=_TUNED, MaxResults=100
    )
    found: list[dict[str, Any]] = answer["TrainingJobSummaries"]
    return found


def test_a_job_without_an_instance_has_failed_for_want_of_capacity(tmp_path: Path) -> None:
    with _living(tmp_path) as life, life.server.faults as faults:
        life.s3.create_bucket(Bucket=_BUCKET)
        faults.run_out_of_capacity(times=2)
        life.process("true", name="first")
        assert life.when("ProcessingJob", *FINAL, name="first")["FailureReason"].startswith("CapacityError")
        life.transform("a", name="first")
        assert life.when("TransformJob", *FINAL, name="first")["FailureReason"].startswith("CapacityError")
        life.process("true", name="second")
        assert life.when("ProcessingJob", *FINAL, name="second")["ProcessingJobStatus"] == "Completed"
