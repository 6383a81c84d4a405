"""Values with every field filled, so that what the table forgets shows."""

from __future__ import annotations

import hashlib
from typing import Any

from chalicelib.model import (
    Candidate,
    Channel,
    Dataset,
    DatasetId,
    DatasetState,
    Lease,
    PipelineRecord,
    Release,
    ReleaseStage,
    Run,
    RunState,
    Serving,
    Target,
)

CHANNELS = (
    Channel("training", 1437, 1_048_576, "s3://bucket/runs/digits/abc/input/training.manifest"),
    Channel("checkpoint", 1, 7, "s3://bucket/datasets/digits/mnist/model.tar.gz", manifest=False),
)


def run_id(name: object) -> str:
    return "v1" + hashlib.sha256(str(name).encode()).hexdigest()


def dataset(name: str = "mnist", pipeline: str = "digits", **changes: Any) -> Dataset:
    fields: dict[str, Any] = {"id": DatasetId(pipeline, name), "first_seen": 1_798_999_000.0}
    return Dataset(**fields | changes)


def run(name: object = 1, pipeline: str = "digits", **changes: Any) -> Run:
    fields: dict[str, Any] = {
        "id": run_id(name),
        "pipeline": pipeline,
        "dataset": DatasetId(pipeline, "mnist"),
        "version": "version",
        "digest": "digest",
        "sealed_at": 1_798_999_100.0,
        "created_at": 1_798_999_101.0,
    }
    return Run(**fields | changes)


FULL_DATASET = dataset(
    "ünï code + %",
    state=DatasetState.REFUSED,
    single="datasets/digits/ünï.zip",
    last_seen=1_798_999_050.25,
    seen=1437,
    ready=True,
    timer=1_798_999_055.5,
    waiting="settling",
    reason="no training channel",
    todo="put files under training/",
    digest="ab" * 32,
    run=run_id(1),
    sealed_at=1_798_999_099.125,
    channels=CHANNELS,
    due=1_798_999_200.5,
)

FULL_RUN = run(
    state=RunState.TRAINING,
    channels=CHANNELS,
    overrides='[train.hyperparameters]\nepochs = "20"\n',
    candidate=Candidate(
        job="df-test-digits-0123456789ab-0-a2",
        number=0,
        attempt=2,
        request="cd" * 32,
        status="InProgress",
        secondary="Training",
        reason="CapacityError",
        model_uri="s3://bucket/model.tar.gz",
        metrics={"validation:accuracy": 0.97, "loss": float("inf")},
        started_at=1_798_999_110.0,
        ended_at=1_798_999_120.0,
        billable_seconds=10,
    ),
    labels=("0", "žluť", "日本"),
    package="arn:aws:sagemaker:us-east-1:000000000000:model-package/df-test-digits/3",
    reason="it broke",
    todo="mend it",
    superseded=True,
    ended_at=1_798_999_130.0,
    due=1_798_999_160.0,
)

TARGET = Target(
    digest="ef" * 32,
    run=run_id(1),
    version="version",
    package="arn:aws:sagemaker:us-east-1:000000000000:model-package/df-test-digits/3",
    model_version=3,
    model="df-test-digits-efefefefefef",
    config="df-test-digits-fefefefefefe",
    metrics={"validation:accuracy": 0.97},
    labels=("0", "1"),
    order=(1_798_999_100.5, 1_798_000_000.25),
    cause="run 0123456789ab registered",
    generation=7,
)

FULL_RELEASE = Release(
    pipeline="digits",
    generation=7,
    stage=ReleaseStage.ROLLING_OUT,
    desired=TARGET,
    live=TARGET,
    previous=TARGET,
    pending=TARGET,
    failed={"ab" * 32: "the smoke test answered 3"},
    lease=Lease("worker", 1_798_999_300.5),
    stage_since=1_798_999_200.0,
    due=1_798_999_260.0,
)

FULL_PIPELINE = PipelineRecord(
    name="digits",
    version="version",
    accepted_at=1_798_000_000.25,
    title="Handwritten digits",
    problem="line 3: unknown key",
    last_seen=1_798_999_000.0,
    timer=1_798_999_005.0,
    released="version",
    due=1_798_999_065.0,
)

FULL_SERVING = Serving(
    pipeline="digits",
    live=True,
    endpoint="df-test-digits-realtime",
    run=run_id(1),
    model_version=3,
    exact=False,
    accept=("image/png", "image/jpeg"),
    labels=("0", "1"),
    top_k=3,
    title="Handwritten digits",
)
