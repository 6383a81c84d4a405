"""The statuses of tuning jobs."""

from __future__ import annotations

from dropforge.local.sagemaker.kinds.kind import AFTER
from dropforge.local.sagemaker.states import Graph

TUNING = Graph(
    "HyperParameterTuningJobStatus",
    AFTER,
    "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeHyperParameterTuningJob.html",
    seconds={"Starting": 5.0, "Stopping": 5.0},
)
