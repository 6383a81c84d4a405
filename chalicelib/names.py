"""The names we give to things in SageMaker and in the bucket, and how to read them back.

Every SageMaker name starts with `<prefix>-<stage>-` and fits SageMaker's 63 characters: prefix 9, stage 8,
pipeline 20, run12 12 and the longest suffix (`-rehearse-<digest12>`) leave room.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PIPELINE = re.compile(r"[a-z0-9](-?[a-z0-9])*")
PIPELINE_LIMIT = 20
PREFIX_LIMIT = 9
STAGE_LIMIT = 8

_RUN = re.compile(r"[0-9a-f]{12}|v1[0-9a-f]{64}")
_JOB = re.compile(r"(?P<pipeline>.+)-(?P<run12>[0-9a-f]{12})-(?P<candidate>\d+)-a(?P<attempt>\d+)")
_ENDPOINT = re.compile(r"(?P<pipeline>.+?)-(?:realtime|rehearse-(?P<digest12>[0-9a-f]{12}))")
_JUNK = re.compile(r"(^|/)(\.DS_Store|Thumbs\.db|desktop\.ini|__MACOSX(/.*)?|\._[^/]*)$")


def is_pipeline(name: str) -> bool:
    return len(name) <= PIPELINE_LIMIT and PIPELINE.fullmatch(name) is not None


def no_pipeline(name: str) -> str:
    return (
        f"{name!r} is no name of a pipeline: use a-z, 0-9 and single hyphens between them, "
        f"at most {PIPELINE_LIMIT} characters"
    )


def is_junk(key: str) -> bool:
    """Tell whether a key is what file managers leave behind, or a "folder" object: not data."""
    return key.endswith("/") or _JUNK.search(key) is not None


def is_run(name: str) -> bool:
    """Tell whether it may name a run: whole, or by its twelve digits."""
    return _RUN.fullmatch(name) is not None


def run12(run: str) -> str:
    """Give the twelve hex digits that name a run: from `v1<hex64>` or from themselves."""
    return run.removeprefix("v1")[:12]


@dataclass(frozen=True, slots=True)
class Names:
    """The SageMaker names of one stage."""

    prefix: str
    stage: str

    @property
    def deployment(self) -> str:
        """Name the deployment itself, as its stack is called: several of an account may have the same stage."""
        return f"{self.prefix}-{self.stage}"

    @property
    def head(self) -> str:
        """What every name starts with; event filters match on it."""
        return f"{self.deployment}-"

    def job(self, pipeline: str, run: str, candidate: int, attempt: int) -> str:
        return f"{self.head}{pipeline}-{run12(run)}-{candidate}-a{attempt}"

    def job_parts(self, name: str) -> tuple[str, str] | None:
        """Read (pipeline, run12) back from a job's name; None for a stranger's job."""
        found = _JOB.fullmatch(name.removeprefix(self.head)) if name.startswith(self.head) else None
        return (found["pipeline"], found["run12"]) if found and is_pipeline(found["pipeline"]) else None

    def job_attempt(self, name: str) -> int:
        """Read the attempt back from the name of one of our jobs."""
        return int(name.rpartition("-a")[2])

    def immutable(self, pipeline: str, digest: str) -> str:
        """Name a model or an endpoint configuration by the digest of the request that makes it."""
        return f"{self.head}{pipeline}-{digest[:12]}"

    def group(self, pipeline: str) -> str:
        return f"{self.head}{pipeline}"

    def package_pipeline(self, arn: str) -> str | None:
        """Read the pipeline back from a model package's ARN; None for a stranger's package."""
        group = arn.partition(":model-package/")[2].partition("/")[0]
        pipeline = group.removeprefix(self.head) if group.startswith(self.head) else ""
        return pipeline if is_pipeline(pipeline) else None

    def endpoint(self, pipeline: str) -> str:
        return f"{self.head}{pipeline}-realtime"

    def rehearsal(self, pipeline: str, digest: str) -> str:
        return f"{self.head}{pipeline}-rehearse-{digest[:12]}"

    def endpoint_pipeline(self, name: str) -> str | None:
        """Read the pipeline back from an endpoint's name; None for a stranger's endpoint."""
        found = _ENDPOINT.fullmatch(name.removeprefix(self.head)) if name.startswith(self.head) else None
        return found["pipeline"] if found and is_pipeline(found["pipeline"]) else None


def version_prefix(pipeline: str, version: str) -> str:
    return f"runs/{pipeline}/_versions/{version}/"


def run_prefix(pipeline: str, run: str) -> str:
    return f"runs/{pipeline}/{run12(run)}/"


def sealed_key(pipeline: str, run: str) -> str:
    """Name the object that lists every sealed key of a run with its size and ETag."""
    return f"{run_prefix(pipeline, run)}input/sealed.json"


def manifest_key(pipeline: str, run: str, channel: str) -> str:
    return f"{run_prefix(pipeline, run)}input/{channel}.manifest"


def sealing_key(pipeline: str, dataset: str, before: str, after: str) -> str:
    """Name what one look of a listing found by the listing digests before and after it; no pipeline is `_sealing`."""
    return f"runs/_sealing/{pipeline}/{dataset}/{before[:16]}-{after[:16]}.json"


def output_prefix(pipeline: str, run: str) -> str:
    """Name where SageMaker puts `<job>/output/model.tar.gz` and `output.tar.gz`."""
    return f"{run_prefix(pipeline, run)}output/"


def log_key(pipeline: str, run: str, job: str) -> str:
    """Name our copy of a training job's log."""
    return f"{run_prefix(pipeline, run)}logs/{job}.txt"


def dataset_status_key(pipeline: str, dataset: str) -> str:
    return f"status/{pipeline}/{dataset}.json"


def pipeline_status_key(pipeline: str) -> str:
    return f"status/{pipeline}.json"
