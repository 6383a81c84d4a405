"""Carries labelling jobs on: reads the input manifest, waits for an output manifest, counts the labels in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.kinds.ends import CutShortError, End
from dropforge.local.sagemaker.kinds.runs import Live, Runs
from dropforge.local.sagemaker.labelling import states
from dropforge.local.sagemaker.labelling.jobs import KIND
from dropforge.local.sagemaker.places import split_uri
from dropforge.local.sagemaker.store import Doc

_PAUSE = 0.3
_SOURCES = {"source", "source-ref"}


class ManifestError(Exception):
    """A manifest that is none; becomes the job's FailureReason."""


class Labelling:
    """Waits for the labels of each job; another life of the cloud goes on waiting."""

    def __init__(self, ground: Ground) -> None:
        self._client = ground.client
        self.runs = Runs(ground, KIND, states.LABELLING, self._perform, goes_on=lambda _: True)

    def _perform(self, job: Doc, _: Path, live: Live) -> End:
        try:
            if job["LabelingJobStatus"] == "Initializing":
                self._begin(job, live)
            while not live.stop.wait(_PAUSE):
                if (labels := self._read(_output_uri(job))) is not None:
                    told = {"LabelCounters": _count(job, labels), "LabelingJobOutput": _output(job)}
                    return End("Completed", told=told)
        except ManifestError as error:
            return End("Failed", f"ClientError: {error}")
        if self.runs.closing.is_set():
            raise CutShortError
        return End("Stopped")

    def _begin(self, job: Doc, live: Live) -> None:
        """Read the input manifest; the job is InProgress when that is done, unless it is to end."""
        self.runs.wait("Initializing", job["LabelingJobName"], live)
        uri = job["InputConfig"]["DataSource"]["S3DataSource"]["ManifestS3Uri"]
        given = self._read(uri)
        if given is None:
            raise ManifestError(f"The manifest file at {uri} could not be read.")
        if not given or not all(_SOURCES & set(line) for line in given):
            raise ManifestError(f"Each line of the manifest file at {uri} must have a source or a source-ref.")

        def begin(doc: Doc) -> None:
            if not doc["_stop"]:
                doc["LabelingJobStatus"] = "InProgress"
            doc["LabelCounters"]["Unlabeled"] = doc["_total"] = len(given)

        if not live.stop.is_set():
            job |= self.runs.change(job["LabelingJobName"], begin, told=True)

    def _read(self, uri: str) -> list[dict[str, Any]] | None:
        """Read a manifest; None where there is none."""
        bucket, key = split_uri(uri)
        try:
            body = self._client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        except (ClientError, BotoCoreError):
            return None
        try:
            lines = [json.loads(line) for line in body.decode().splitlines() if line.strip()]
        except ValueError as error:
            raise ManifestError(f"The manifest file at {uri} is not JSON Lines: {error}") from error
        if not all(isinstance(line, dict) for line in lines):
            raise ManifestError(f"Each line of the manifest file at {uri} must be a JSON object.")
        return lines


def _output_uri(job: Doc) -> str:
    base = job["OutputConfig"]["S3OutputPath"].rstrip("/")
    return f"{base}/{job['LabelingJobName']}/manifests/output/output.manifest"


def _output(job: Doc) -> Doc:
    return {"OutputDatasetS3Uri": _output_uri(job)}


def _count(job: Doc, labels: list[dict[str, Any]]) -> Doc:
    """Count the labels: those that people gave, those that a machine gave, those that failed."""
    attribute = job["LabelAttributeName"]
    about = [line.get(f"{attribute}-metadata") for line in labels]
    told = [one if isinstance(one, dict) else {} for one in about]
    failed = sum("failure-reason" in one for one in told)
    given = [one for line, one in zip(labels, told, strict=True) if attribute in line and "failure-reason" not in one]
    machine = sum(one.get("human-annotated") == "no" for one in given)
    return {
        "TotalLabeled": len(given),
        "HumanLabeled": len(given) - machine,
        "MachineLabeled": machine,
        "FailedNonRetryableError": failed,
        "Unlabeled": max(0, job["_total"] - len(given) - failed),
    }
