"""The files a training container finds under `/opt/ml`, and those it leaves there."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dropforge.local.sagemaker.jobs import cluster
from dropforge.local.sagemaker.jobs.cluster import Host

FAILURE_LENGTH = 1024


def prepare(folder: Path, job: Mapping[str, Any], host: Host, all_hosts: Sequence[Host]) -> None:
    """Write what SageMaker writes before it starts the program on a host."""
    for name in ("input/config", "input/data", "model", "output/data", "code", "checkpoints"):
        (folder / "ml" / name).mkdir(parents=True, exist_ok=True)
    config = folder / "ml" / "input" / "config"
    mode = job["AlgorithmSpecification"]["TrainingInputMode"]
    channels = [one for one in job.get("InputDataConfig", ()) if cluster.share(one, host, all_hosts)]
    for name, content in {
        "hyperparameters": job.get("HyperParameters") or {},
        "inputdataconfig": {channel["ChannelName"]: _channel(channel, mode) for channel in channels},
        "resourceconfig": cluster.describe(host, all_hosts),
        "trainingjobconfig": {name: value for name, value in job.items() if not name.startswith("_")},
    }.items():
        (config / f"{name}.json").write_text(json.dumps(content))


def command(job: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Say what to run, entry point and arguments: as Docker does, arguments alone take the place of `train`."""
    algorithm = job["AlgorithmSpecification"]
    entrypoint, arguments = algorithm.get("ContainerEntrypoint", ()), algorithm.get("ContainerArguments", ())
    return tuple(entrypoint), tuple(arguments or (() if entrypoint else ("train",)))


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
    return said(folder, "ml/output/failure", 4 * FAILURE_LENGTH)[:FAILURE_LENGTH].strip()


def said(folder: Path, name: str, length: int) -> str:
    """Read the beginning of a file that the program left; nothing where there is none that can be read."""
    try:
        path = own(folder, name)
        if path is None or not stat.S_ISREG(path.lstat().st_mode):
            return ""
        with path.open("rb") as file:
            return file.read(length).decode(errors="replace")
    except OSError:  # the program may have shut its folders even to us
        return ""


def own(folder: Path, name: str) -> Path | None:
    """Find something that the program left; None where it is missing or where a link would lead out of its world."""
    path = folder
    for part in name.split("/"):
        path /= part
        if path.is_symlink() or not path.exists():
            return None
    return path


def _channel(channel: Mapping[str, Any], mode: str) -> dict[str, Any]:
    source = channel["DataSource"]["S3DataSource"]
    return {
        "TrainingInputMode": channel.get("InputMode") or mode,
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
        **({"ContentType": channel["ContentType"]} if channel.get("ContentType") else {}),
    }


def gather(folders: Sequence[Path], name: str) -> Path | None:
    """Bring what all hosts left under a name into the first host's folder; nothing has run in them since.

    Where two left a file of one name, the first host's stays: SageMaker asks programs not to do that.
    """
    first, *others = (own(folder, name) for folder in folders)
    target = first or folders[0] / "gathered" / name
    for other in others:
        if other is not None and other.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            _merge(other, target)
    return target if target.is_dir() else None


def _merge(source: Path, target: Path) -> None:
    for path in source.iterdir():
        there = target / path.name
        if path.is_dir() and not path.is_symlink() and there.is_dir() and not there.is_symlink():
            _merge(path, there)
        elif not there.exists() and not there.is_symlink():
            path.rename(there)
