"""The parts of a pipeline as other rooms need them: what names a run or a release, what a training job is given."""

from __future__ import annotations

import json
import re

from chalicelib.pipeline.kinds import hyperparameter_string
from chalicelib.pipeline.schema import Pipeline

_NUMBER = r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"


def training_part(pipeline: Pipeline) -> str:
    """Give [prepare] [train] [sweep], as resolved, as canonical JSON: what a run's id is made of.

    Keys without a value are left out, so that a key which a later release adds does not rename today's runs; how long
    a job waits for a machine makes no other model.
    """
    return _canonical(pipeline, {"prepare", "train", "sweep"}, exclude={"train": {"capacity_wait_seconds"}})


def serving_part(pipeline: Pipeline) -> str:
    """Give [deploy] and [serve], as resolved, as canonical JSON: what a release's digest is made of, beside the run."""
    return _canonical(pipeline, {"deploy", "serve"})


def _canonical(pipeline: Pipeline, sections: set[str], exclude: dict[str, set[str]] | None = None) -> str:
    chosen = pipeline.model_dump(mode="json", include=sections, exclude=exclude, exclude_none=True)
    return json.dumps(chosen, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def hyperparameter_strings(pipeline: Pipeline) -> dict[str, str]:
    """Give the hyperparameters as SageMaker wants them: strings, lists and tables as JSON."""
    return {name: hyperparameter_string(value) for name, value in pipeline.train.hyperparameters.items()}


def metric_definitions(pipeline: Pipeline) -> dict[str, str]:
    """Give name → regular expression for the job's MetricDefinitions.

    The gate's metric is always among them: one that [train.metrics] does not define is read from the log line
    `dropforge.metric <name>=<number>`, which jobkit prints.
    """
    metrics = dict(pipeline.train.metrics)
    if pipeline.gate:
        metrics.setdefault(pipeline.gate.metric, rf"dropforge\.metric {re.escape(pipeline.gate.metric)}={_NUMBER}")
    return metrics
