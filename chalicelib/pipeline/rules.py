"""What must hold between the keys of a pipeline file, and what the stage allows."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from chalicelib.images import VERSIONS
from chalicelib.media import BINARY_TYPES, is_text
from chalicelib.pipeline.explain import show
from chalicelib.pipeline.kinds import LABELS_LIMIT, METRIC_LIMIT, labels_size
from chalicelib.pipeline.parts import metric_definitions
from chalicelib.pipeline.refusals import Place
from chalicelib.pipeline.schema import Pipeline

Found = Iterator[tuple[Place, str]]


def broken(pipeline: Pipeline, instance_types: Collection[str] | None) -> Found:
    """Name what contradicts itself or the stage; without `instance_types` the stage is not asked."""
    yield from _training(pipeline)
    yield from _accepted(pipeline)
    yield from _smoke_tests(pipeline)
    if (size := labels_size(pipeline.serve.labels)) > LABELS_LIMIT:
        yield ("serve", "labels"), f"may take {LABELS_LIMIT} bytes in all, and need {size}"
    if len(metric_definitions(pipeline)) > METRIC_LIMIT:
        yield (
            ("train", "metrics"),
            f"must leave room for the gate's metric: {METRIC_LIMIT} metrics are allowed, the gate's included",
        )
    if instance_types is not None:
        yield from _instances(pipeline, instance_types)


def _training(pipeline: Pipeline) -> Found:
    train = pipeline.train
    chosen = [key for key in ("framework", "image_uri", "algorithm") if getattr(train, key) is not None]
    if not chosen:
        yield ("train", "framework"), 'is needed: "sklearn"'
    if len(chosen) > 1:
        yield ("train", chosen[1]), f"cannot stand beside {chosen[0]}: exactly one of framework, image_uri, algorithm"
    if train.framework == "sklearn" and train.framework_version not in VERSIONS:
        yield (
            ("train", "framework_version"),
            f"must be one of {', '.join(VERSIONS)}, not {show(train.framework_version)}",
        )
    if train.framework or not chosen:
        if not train.source_dir:
            yield ("train", "source_dir"), "is needed: a relative path inside the pipeline's folder"
        if not train.entry_point:
            yield ("train", "entry_point"), "is needed: a relative path inside source_dir"


def _accepted(pipeline: Pipeline) -> Found:
    whole = f"text, JSON and XML do, and {', '.join(BINARY_TYPES)}"
    for media_type in pipeline.serve.accept:
        if media_type not in BINARY_TYPES and not is_text(media_type):
            yield ("serve", "accept"), f"names {show(media_type)}, which would not reach a model whole; {whole}"


def _smoke_tests(pipeline: Pipeline) -> Found:
    for number, test in enumerate(pipeline.deploy.smoke_test if pipeline.deploy else ()):
        place: Place = ("deploy", "smoke_test", number)
        if test.content_type not in pipeline.serve.accept:
            yield (
                (*place, "content_type"),
                f"must be one of [serve] accept ({', '.join(pipeline.serve.accept)}), not {show(test.content_type)}",
            )
        labels = pipeline.serve.labels
        if labels and test.expect_label is not None and test.expect_label not in labels:
            yield (*place, "expect_label"), f"must be one of [serve] labels, not {show(test.expect_label)}"


def _instances(pipeline: Pipeline, allowed: Collection[str]) -> Found:
    asked: list[tuple[Place, str]] = [(("train", "instance_type"), pipeline.train.instance_type)]
    if pipeline.deploy:
        asked.append((("deploy", "instance_type"), pipeline.deploy.instance_type))
    for place, instance in asked:
        if instance not in allowed:
            yield (
                place,
                f"must be an instance type that this stage allows ({', '.join(sorted(allowed))}), not {show(instance)}",
            )
