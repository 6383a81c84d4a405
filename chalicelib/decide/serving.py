"""What serving a run takes: the model, the endpoint configuration, the tests, and the target that names them all.

[gate], [deploy] and [serve] are those of one pipeline version (`version`), the model and its training code those of the
run's own (`trained`): an edit of how a model is served reaches the live model, an edit of the training code does not.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from chalicelib.decide.digests import config_digest, model_digest, target_digest
from chalicelib.model import Run, Serving, Target
from chalicelib.names import Names, run12, run_prefix, sealed_key
from chalicelib.pipeline import Pipeline, Smoke, Version
from chalicelib.pipeline.schema import Gate
from chalicelib.ports import ConfigRequest, ModelRequest, Package, PackageRequest

_ENVIRONMENT_VALUE_LIMIT = 1024
"""Characters of one variable of a SageMaker model (CreateModel, ContainerDefinition)."""
_METADATA_VALUE_LIMIT = 256
"""Characters of one CustomerMetadataProperty of a package; longer metrics stand in the metrics document alone."""
_INFO = "20"


@dataclass(frozen=True, slots=True)
class Place:
    """Where all this stands."""

    names: Names
    region: str
    bucket: str


@dataclass(frozen=True, slots=True)
class Setup:
    """Everything that serving one target takes."""

    target: Target
    model: ModelRequest
    config: ConfigRequest
    smoke: tuple[Smoke, ...]
    accept: tuple[str, ...]
    top_k: int
    title: str | None
    rehearse: bool
    gate: Gate | None
    capacity_wait: float = 0.0
    """Seconds to wait where AWS has no room for its endpoint."""


def serve_environment(
    run: Run, labels: tuple[str, ...], version: Version, trained: Version, resolved: Pipeline, place: Place
) -> dict[str, str]:
    """Give the container's environment, but the digest of the request itself."""
    serve = version.pipeline.serve
    own = serve.source_dir is not None or serve.entry_point is not None
    code, program = (
        (version.serve_code_key, version.pipeline.serving_entry_point)
        if own
        else (trained.code_key, resolved.train.entry_point)
    )
    told = json.dumps(labels, ensure_ascii=False, separators=(",", ":"))
    return {
        **resolved.train.environment,
        "SAGEMAKER_PROGRAM": program,
        "SAGEMAKER_SUBMIT_DIRECTORY": f"s3://{place.bucket}/{code}",
        "SAGEMAKER_REGION": place.region,
        "SAGEMAKER_CONTAINER_LOG_LEVEL": _INFO,
        "DROPFORGE_RUN": run12(run.id),
        # A list too long for SageMaker stays out: predictions are then labelled by what SERVING holds.
        **({"DROPFORGE_LABELS": told} if labels and len(told) <= _ENVIRONMENT_VALUE_LIMIT else {}),
    }


def plan_package(
    run: Run,
    *,
    labels: tuple[str, ...],
    why: str,
    version: Version,
    trained: Version,
    resolved: Pipeline,
    image: str,
    model_uri: str,
    place: Place,
    approved: bool = True,
) -> PackageRequest:
    """Plan the model package: what it is, what it was made of, how good it is, and why it was let in."""
    folder = f"s3://{place.bucket}/"
    metadata = {
        "run": run.id,
        "dataset": str(run.dataset),
        "dataset_digest": run.digest,
        "sealed_input": folder + sealed_key(run.pipeline, run.id),
        "pipeline_version": run.version,
        "code_digest": trained.code_digest,
        "training_job": run.candidate.job if run.candidate else "",
        "metrics": json.dumps(dict(run.candidate.metrics) if run.candidate else {}),
        "labels": json.dumps(labels, ensure_ascii=False),
    }
    return PackageRequest(
        group=place.names.group(run.pipeline),
        run=run.id,
        image=image,
        model_uri=model_uri,
        environment=serve_environment(run, labels, version, trained, resolved, place),
        accept=version.pipeline.serve.accept,
        metadata={key: value for key, value in metadata.items() if 0 < len(value) <= _METADATA_VALUE_LIMIT},
        metrics_uri=folder + metrics_key(run.pipeline, run.id),
        approved=approved,
        note=f"Approved by rule: {why}." if approved else f"Passed its gate ({why}) and awaits a person.",
        attempt=run.candidate.attempt if run.candidate else 1,
    )


def metrics_key(pipeline: str, run: str) -> str:
    return f"{run_prefix(pipeline, run)}metrics.json"


def metrics_document(metrics: Mapping[str, float]) -> bytes:
    """Write metrics in the shape of SageMaker's ModelQuality statistics; what is no finite number is told as text."""
    told = {
        name: {"value": value if math.isfinite(value) else str(value), "standard_deviation": "NaN"}
        for name, value in sorted(metrics.items())
    }
    return json.dumps({"version": 0.0, "multiclass_classification_metrics": told}, indent=2).encode()


def plan_serving(
    run: Run,
    *,
    version: Version,
    trained: Version,
    resolved: Pipeline,
    image: str,
    package: Package,
    place: Place,
    cause: str,
) -> Setup | None:
    """Plan how a registered run is served; None where the pipeline only trains and registers.

    `resolved` is the run's own pipeline with its overrides: its [train] made the model.
    """
    pipeline, candidate = version.pipeline, run.candidate
    if pipeline.deploy is None or candidate is None or candidate.model_uri is None:
        return None
    labels = run.labels or pipeline.serve.labels
    environment = serve_environment(run, labels, version, trained, resolved, place)
    request = model_digest(image, candidate.model_uri, environment)
    name = place.names.immutable(run.pipeline, request)
    model = ModelRequest(name, image, candidate.model_uri, {**environment, "DROPFORGE_REQUEST": request})
    size = (pipeline.deploy.instance_type, pipeline.deploy.initial_instance_count)
    settings = config_digest(name, *size)
    config = ConfigRequest(place.names.immutable(run.pipeline, settings), name, *size)
    parts = {"model": request, "config": settings, "labels": labels, **_manner(version)}
    target = Target(
        digest=target_digest(run.id, parts),
        run=run.id,
        version=version.digest,
        package=package.arn,
        model_version=package.version,
        model=name,
        config=config.name,
        metrics=dict(candidate.metrics),
        labels=labels,
        order=(run.sealed_at, version.accepted_at),
        cause=cause,
    )
    return Setup(
        target,
        model,
        config,
        version.smoke,
        pipeline.serve.accept,
        pipeline.serve.top_k,
        pipeline.title,
        pipeline.deploy.rehearse,
        pipeline.gate,
        pipeline.deploy.capacity_wait_seconds,
    )


def serving_of(pipeline: str, setup: Setup, endpoint: str, *, exact: bool) -> Serving:
    """Say what the inference route needs to know while this target is live."""
    target = setup.target
    return Serving(
        pipeline=pipeline,
        live=True,
        endpoint=endpoint,
        run=run12(target.run),
        model_version=target.model_version,
        exact=exact,
        accept=setup.accept,
        labels=target.labels,
        top_k=setup.top_k,
        title=setup.title,
    )


def _manner(version: Version) -> Mapping[str, object]:
    serve, deploy = version.pipeline.serve, version.pipeline.deploy
    tests = [{key: value for key, value in asdict(test).items() if key != "key"} for test in version.smoke]
    return {
        "accept": serve.accept,
        "top_k": serve.top_k,
        "rehearse": deploy is not None and deploy.rehearse,
        "smoke": tests,
    }
