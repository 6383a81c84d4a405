"""Training jobs, in SageMaker; their logs, in CloudWatch Logs."""

from __future__ import annotations

from typing import Any

from chalicelib.aws.clients import Clients, shared
from chalicelib.aws.errors import sagemaker, translated
from chalicelib.aws.listing import read_token, write_token
from chalicelib.aws.tags import tags
from chalicelib.errors import InvalidError, NotFoundError, RefusedError
from chalicelib.model import Channel
from chalicelib.ports import JobSeen, LogLine, Page, TrainingJob
from chalicelib.settings import Settings

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
_START = "start"
"""The token of a log that has no stream yet."""


class Jobs:
    def __init__(self, settings: Settings, clients: Clients | None = None) -> None:
        self._clients = clients or shared(settings.region)
        self._settings = settings

    def start(self, job: TrainingJob) -> None:
        with sagemaker():
            self._clients.get("sagemaker").create_training_job(**self._request(job))

    def describe(self, name: str) -> JobSeen | None:
        try:
            with sagemaker():
                return _seen(self._clients.get("sagemaker").describe_training_job(TrainingJobName=name))
        except NotFoundError:
            return None

    def stop(self, name: str) -> None:
        try:
            with sagemaker():
                self._clients.get("sagemaker").stop_training_job(TrainingJobName=name)
        except (NotFoundError, RefusedError):
            return  # the name is all that we sent: a refusal says that the job has ended

    def log(self, name: str, *, after: str | None = None, limit: int = 1000) -> Page[LogLine]:
        stream, token = _read_log_token(after)
        stream = stream or self._stream(name)
        if stream is None:
            return Page((), write_token([_START]))
        more = {"nextToken": token} if token else {"startFromHead": True}
        with translated():
            answer = self._clients.get("logs").get_log_events(
                logGroupName=LOG_GROUP, logStreamName=stream, limit=limit, **more
            )
        lines = tuple(LogLine(event["timestamp"] / 1000, event["message"]) for event in answer["events"])
        return Page(lines, write_token([stream, answer["nextForwardToken"]]))

    def _stream(self, name: str) -> str | None:
        """Find the stream `<job>/algo-1-…`; the first, as long as a job has one instance."""
        try:
            with translated():
                answer = self._clients.get("logs").describe_log_streams(
                    logGroupName=LOG_GROUP, logStreamNamePrefix=f"{name}/", limit=1
                )
        except NotFoundError:
            return None
        streams = answer["logStreams"]
        return str(streams[0]["logStreamName"]) if streams else None

    def _request(self, job: TrainingJob) -> dict[str, Any]:
        return {
            "TrainingJobName": job.name,
            "AlgorithmSpecification": {
                "TrainingImage": job.image,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": name, "Regex": regex} for name, regex in job.metrics.items()],
            },
            "RoleArn": self._settings.job_role,
            "InputDataConfig": [_channel(channel) for channel in job.channels],
            "OutputDataConfig": {"S3OutputPath": job.output_uri},
            "ResourceConfig": {
                "InstanceType": job.instance_type,
                "InstanceCount": 1,
                "VolumeSizeInGB": job.volume_gb,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": job.max_runtime_seconds},
            "HyperParameters": dict(job.hyperparameters),
            "Environment": {**job.environment, "DROPFORGE_REQUEST": job.request},
            "EnableManagedSpotTraining": False,
            "Tags": tags(self._settings.names, job.name),
        }


def _channel(channel: Channel) -> dict[str, Any]:
    source = {
        # A prefix is read when the job starts and is a plain one; a manifest freezes what was meant.
        "S3DataType": "ManifestFile" if channel.manifest else "S3Prefix",
        "S3Uri": channel.uri,
        "S3DataDistributionType": "FullyReplicated",
    }
    return {"ChannelName": channel.name, "DataSource": {"S3DataSource": source}, "InputMode": "File"}


def _seen(answer: dict[str, Any]) -> JobSeen:
    started, ended = answer.get("TrainingStartTime"), answer.get("TrainingEndTime")
    return JobSeen(
        name=answer["TrainingJobName"],
        status=answer["TrainingJobStatus"],
        secondary=answer.get("SecondaryStatus", ""),
        reason=answer.get("FailureReason") or None,
        model_uri=answer.get("ModelArtifacts", {}).get("S3ModelArtifacts") or None,
        metrics={metric["MetricName"]: metric["Value"] for metric in answer.get("FinalMetricDataList", ())},
        request=answer.get("Environment", {}).get("DROPFORGE_REQUEST", ""),
        started_at=started.timestamp() if started else None,
        ended_at=ended.timestamp() if ended else None,
        billable_seconds=answer.get("BillableTimeInSeconds"),
    )


def _read_log_token(token: str | None) -> tuple[str | None, str | None]:
    match read_token(token) if token is not None else [_START]:
        case [start] if start == _START:
            return None, None
        case [stream, forward]:
            return stream, forward
        case _:
            raise InvalidError("That `next` is not one that a log gave.", token=token)
