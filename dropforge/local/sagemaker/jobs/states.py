"""The statuses of jobs."""

from __future__ import annotations

from dropforge.local.sagemaker.states import Graph

_API = "https://docs.aws.amazon.com/sagemaker/latest/APIReference"
FINAL = frozenset({"Completed", "Failed", "Stopped"})

TRAINING = Graph(
    "TrainingJobStatus",
    {
        "": frozenset({"InProgress"}),
        "InProgress": frozenset({"Stopping", *FINAL}),
        "Stopping": FINAL,
    },
    f"{_API}/API_DescribeTrainingJob.html",
    seconds={"Starting": 60.0, "Downloading": 5.0, "Uploading": 5.0, "Stopping": 5.0},
)
