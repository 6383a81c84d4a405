"""The statuses of transform jobs."""

from __future__ import annotations

from dropforge.local.sagemaker.kinds.kind import AFTER
from dropforge.local.sagemaker.states import Graph

TRANSFORM = Graph(
    "TransformJobStatus",
    AFTER,
    "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTransformJob.html",
    seconds={"Starting": 180.0, "Stopping": 5.0},
)
