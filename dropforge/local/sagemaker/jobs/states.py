"""The statuses of jobs."""

from __future__ import annotations

from dropforge.local.sagemaker.kinds.kind import AFTER, FINAL
from dropforge.local.sagemaker.states import Graph

_API = "https://docs.aws.amazon.com/sagemaker/latest/APIReference"
LAST = FINAL | {"MaxRuntimeExceeded", "MaxWaitTimeExceeded"}
"""The secondary statuses after which none comes."""

TRAINING = Graph(
    "TrainingJobStatus",
    AFTER,
    f"{_API}/API_DescribeTrainingJob.html",
    seconds={"Starting": 60.0, "Downloading": 5.0, "Uploading": 5.0, "Stopping": 5.0, "Interrupted": 60.0},
)
MESSAGES = {
    "Starting": "Starting the training job",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopping": "Stopping the training job",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "MaxWaitTimeExceeded": "Training job runtime exceeded MaxWaitTimeInSeconds provided",
    "Interrupted": "Training job interrupted",
    "Restarting": "Restarting the training job",
}
"""What SecondaryStatusTransitions say, after API_SecondaryStatusTransition.html where it shows one."""
