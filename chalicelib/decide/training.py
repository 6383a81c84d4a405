"""The training job of a run, as asked for: everything in it comes from the run and its pipeline version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chalicelib import names
from chalicelib.decide.digests import job_digest
from chalicelib.model import Run
from chalicelib.pipeline import Pipeline, hyperparameter_strings, metric_definitions
from chalicelib.ports import TrainingJob

_INFO = 20
"""The script-mode toolkit's log level, in Python's numbers."""


def plan_training(
    run: Run, pipeline: Pipeline, *, name: str, image: str, bucket: str, code_key: str, region: str
) -> TrainingJob:
    """Describe the job completely, its request digest included."""
    train = pipeline.train
    script = {
        "sagemaker_program": train.entry_point,
        "sagemaker_submit_directory": f"s3://{bucket}/{code_key}",
        "sagemaker_region": region,
        "sagemaker_container_log_level": _INFO,
        "sagemaker_job_name": name,
    }
    job = TrainingJob(
        name=name,
        image=image,
        instance_type=train.instance_type,
        volume_gb=train.volume_size_gb,
        max_runtime_seconds=train.max_runtime_seconds,
        channels=run.channels,
        output_uri=f"s3://{bucket}/{names.output_prefix(run.pipeline, run.id)}",
        hyperparameters={**_encode(script), **hyperparameter_strings(pipeline)},
        environment=dict(train.environment),
        metrics=metric_definitions(pipeline),
    )
    return replace(job, request=job_digest(job))


def _encode(values: Mapping[str, Any]) -> dict[str, str]:
    """Write each value as JSON, as the SageMaker SDK does: script mode reads it back as what it was."""
    return {name: json.dumps(value) for name, value in values.items()}
