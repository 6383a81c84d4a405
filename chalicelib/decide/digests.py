"""Digests of what we ask SageMaker for: immutable things end in one, "already exists" counts only when it agrees."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from chalicelib.names import run12
from chalicelib.ports import TrainingJob


def digest_of(value: Mapping[str, Any] | Sequence[Any]) -> str:
    """Give the sha256, in hex, of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def job_digest(job: TrainingJob) -> str:
    """Digest all that a training job is asked for, but the digest itself."""
    return digest_of({key: value for key, value in asdict(job).items() if key != "request"})


def model_digest(image: str, model_uri: str, environment: Mapping[str, str]) -> str:
    return digest_of({"image": image, "model_uri": model_uri, "environment": dict(environment)})


def config_digest(model: str, instance_type: str, instance_count: int) -> str:
    return digest_of({"model": model, "instance_type": instance_type, "instance_count": instance_count})


def target_digest(run: str, parts: Mapping[str, Any]) -> str:
    """Digest a run under its resolved [deploy], [serve] and smoke tests.

    It ends in the run's twelve digits, so that a failure noted under it can be told of the run.
    """
    return f"{digest_of({'run': run, **parts})}-{run12(run)}"
