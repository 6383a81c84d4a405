"""The pipeline file: schema, defaults, refusals."""

from chalicelib.pipeline.overrides import apply_overrides
from chalicelib.pipeline.parse import parse
from chalicelib.pipeline.parts import hyperparameter_strings, metric_definitions, serving_part, training_part
from chalicelib.pipeline.refusals import PipelineRefused, Problem
from chalicelib.pipeline.schema import Pipeline
from chalicelib.pipeline.values import lay_over, write_values
from chalicelib.pipeline.version import Smoke, Version, Versions

__all__ = [
    "Pipeline",
    "PipelineRefused",
    "Problem",
    "Smoke",
    "Version",
    "Versions",
    "apply_overrides",
    "hyperparameter_strings",
    "lay_over",
    "metric_definitions",
    "parse",
    "serving_part",
    "training_part",
    "write_values",
]
