"""The files a training container finds under `/opt/ml`, and those it leaves there."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dropforge.local.sagemaker.sandbox.view import HOST

FAILURE_LENGTH = 1024


def prepare(folder: Path, job: Mapping[str, Any]) -> None:
    """Write what SageMaker writes before it starts the program."""
    for name in ("input/config", "input/data", "model", "output/data", "code", "checkpoints"):
        (folder / "ml" / name).mkdir(parents=True, exist_ok=True)
    config = folder / "ml" / "input" / "config"
    for name, content in {
        "hyperparameters": job.get("HyperParameters") or {},
        "inputdataconfig": {channel["ChannelName"]: _channel(channel) for channel in job.get("InputDataConfig", ())},
        "resourceconfig": _resources(job["ResourceConfig"]["InstanceType"]),
        "trainingjobconfig": {name: value for name, value in job.items() if not name.startswith("_")},
    }.items():
        (config / f"{name}.json").write_text(json.dumps(content))


def command(job: Mapping[str, Any]) -> tuple[str, ...]:
    """Say what to run: as Docker does, arguments alone take the place of `train`."""
    algorithm = job["AlgorithmSpecification"]
    asked = [*algorithm.get("ContainerEntrypoint", ()), *algorithm.get("ContainerArguments", ())]
    return tuple(asked) or ("train",)


def environment(job: Mapping[str, Any]) -> dict[str, str]:
    """Make what SageMaker adds to the environment that the job asks for."""
    return {
        "TRAINING_JOB_NAME": job["TrainingJobName"],
        "TRAINING_JOB_ARN": job["TrainingJobArn"],
        "AWS_REGION": job["TrainingJobArn"].split(":")[3],
        **job.get("Environment", {}),
    }


def failure(folder: Path) -> str:
    """Read what the program wrote as its reason to fail; nothing where it wrote none."""
    path = own(folder, "ml/output/failure")
    if path is None or not stat.S_ISREG(path.lstat().st_mode):
        return ""
    with path.open("rb") as file:
        return file.read(4 * FAILURE_LENGTH).decode(errors="replace")[:FAILURE_LENGTH].strip()


def own(folder: Path, name: str) -> Path | None:
    """Find something that the program left; None where it is missing or where a link would lead out of its world."""
    path = folder
    for part in name.split("/"):
        path /= part
        if path.is_symlink() or not path.exists():
            return None
    return path


def _channel(channel: Mapping[str, Any]) -> dict[str, Any]:
    source = channel["DataSource"]["S3DataSource"]
    return {
        "TrainingInputMode": channel.get("InputMode", "File"),
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
        **({"ContentType": channel["ContentType"]} if channel.get("ContentType") else {}),
    }


def _resources(instance_type: str) -> dict[str, Any]:
    group = {"instance_group_name": "homogeneousCluster", "instance_type": instance_type, "hosts": [HOST]}
    return {
        "current_host": HOST,
        "current_instance_type": instance_type,
        "current_group_name": "homogeneousCluster",
        "hosts": [HOST],
        "instance_groups": [group],
        "network_interface_name": "lo",
    }
