"""The statuses of labelling jobs."""

from __future__ import annotations

from dropforge.local.sagemaker.kinds.kind import FINAL
from dropforge.local.sagemaker.states import Graph

LABELLING = Graph(
    "LabelingJobStatus",
    {
        "": frozenset({"Initializing"}),
        "Initializing": frozenset({"InProgress", "Failed", "Stopping"}),
        "InProgress": frozenset({"Stopping", *FINAL}),
        "Stopping": FINAL,
    },
    "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeLabelingJob.html",
    seconds={"Initializing": 60.0, "Stopping": 5.0},
)
