"""The job: what SageMaker says in five places, read once, as one value and one JSON file."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import lines

_OURS_NOT = ("sagemaker_", "_tuning_")
"""Hyperparameters that the platform adds for itself."""


@dataclass(frozen=True)
class Channel:
    """A named input: the folder its files lie in."""

    name: str
    path: Path

    def files(self) -> list[Path]:
        """Name every file under the folder, sorted; hidden files and manifests that SageMaker leaves are no data."""
        found = (path for path in self.path.rglob("*") if path.is_file())
        return sorted(path for path in found if not path.name.startswith(".") and not path.name.endswith("-manifest"))

    def classes(self) -> list[str]:
        """Name the folders directly under the channel, sorted: the labels, where a folder is a class."""
        return sorted(path.name for path in self.path.iterdir() if path.is_dir())


@dataclass(frozen=True)
class Job:
    """One training job. `output` is the folder that becomes the model; `extras` may hold reports beside it."""

    name: str
    hyperparameters: Mapping[str, Any]
    channels: Mapping[str, Channel]
    output: Path
    extras: Path
    host: str = "algo-1"
    hosts: tuple[str, ...] = ("algo-1",)
    _progress: lines.Progress = field(default_factory=lines.Progress, repr=False, compare=False)

    def progress(self, share: float, note: str = "") -> None:
        """Tell how much is done, from 0 to 1. Call it as often as you like: it speaks rarely enough for a log."""
        self._progress.tell(share, note)

    def metric(self, name: str, value: float) -> None:
        """Tell a metric; the newest value of a name is the one that a gate reads."""
        lines.tell_metric(name, value)

    def labels(self, labels: list[str]) -> None:
        """Name the classes in the order of the model's scores; they travel with the model."""
        lines.tell_labels(labels)
        write_json(self.output / "labels.json", [str(label) for label in labels])

    def write(self, path: Path) -> Path:
        """Write the job as the one JSON file that a program in any language reads."""
        write_json(
            path,
            {
                "job": self.name,
                "hyperparameters": dict(self.hyperparameters),
                "channels": {channel.name: {"path": str(channel.path)} for channel in self.channels.values()},
                "output": str(self.output),
                "extras": str(self.extras),
                "host": self.host,
                "hosts": list(self.hosts),
            },
        )
        return path


def read_job(environ: Mapping[str, str] = os.environ) -> Job:
    """Read what SageMaker left for this job; SM_* variables, where set, win over /opt/ml."""
    root = ml_root(environ)
    config = root / "input" / "config"
    resources = _read_json(config / "resourceconfig.json")
    job = Job(
        name=environ.get("TRAINING_JOB_NAME") or environ.get("SM_TRAINING_JOB_NAME") or "job",
        hyperparameters=_hyperparameters(config, environ),
        channels=_channels(root, environ),
        output=Path(environ.get("SM_MODEL_DIR") or root / "model"),
        extras=Path(environ.get("SM_OUTPUT_DATA_DIR") or root / "output" / "data"),
        host=environ.get("SM_CURRENT_HOST") or str(resources.get("current_host") or socket.gethostname()),
        hosts=tuple(json.loads(environ.get("SM_HOSTS") or "null") or resources.get("hosts") or ["algo-1"]),
    )
    for folder in (job.output, job.extras):
        folder.mkdir(parents=True, exist_ok=True)
    return job


def ml_root(environ: Mapping[str, str]) -> Path:
    """Tell where SageMaker's own tree stands: /opt/ml, unless SageMaker's own variable says otherwise."""
    return Path(environ.get("SAGEMAKER_BASE_DIR") or "/opt/ml")


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")


def decode(text: str) -> Any:
    """Read a hyperparameter as the value it was: SageMaker hands every one over as a string."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        return text


def _refuse_constant(name: str) -> Any:
    # A hyperparameter called NaN is a word; JSON has no such number.
    raise ValueError(name)


def _hyperparameters(config: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    stored = _read_json(config / "hyperparameters.json")
    if stored:
        given = {name: decode(value) if isinstance(value, str) else value for name, value in stored.items()}
    else:
        # SM_HPS holds decoded values already: decoding twice would make a number of the word "1".
        given = dict(json.loads(environ.get("SM_HPS") or "{}"))
    return {name: value for name, value in given.items() if not name.startswith(_OURS_NOT)}


def _channels(root: Path, environ: Mapping[str, str]) -> dict[str, Channel]:
    names = json.loads(environ.get("SM_CHANNELS") or "null") or list(
        _read_json(root / "input" / "config" / "inputdataconfig.json")
    )
    return {
        name: Channel(name, Path(environ.get("SM_CHANNEL_" + name.upper()) or root / "input" / "data" / name))
        for name in sorted(names)
    }


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return dict(found)
