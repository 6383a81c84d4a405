"""The statuses of processing jobs."""

from __future__ import annotations

from dropforge.local.sagemaker.kinds.kind import AFTER
from dropforge.local.sagemaker.states import Graph

PROCESSING = Graph(
    "ProcessingJobStatus",
    AFTER,
    "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeProcessingJob.html",
    seconds={"Starting": 120.0, "Stopping": 5.0},
)
