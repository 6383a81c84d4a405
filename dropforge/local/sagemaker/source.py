"""Source archives: framework images fetch them from S3 by themselves; a sandbox has no network, so they are brought."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dropforge.local.sagemaker.places import split_uri

HYPERPARAMETER = "sagemaker_submit_directory"
VARIABLE = "SAGEMAKER_SUBMIT_DIRECTORY"


def bring(s3: Any, named: Mapping[str, str], key: str, folder: Path) -> None:
    """Put the archive that a job's hyperparameters or a model's environment name where the image looks for it."""
    uri = _plain(named.get(key, ""))
    if uri.startswith("s3://"):
        target = folder / "ml" / "input" / "source" / "sourcedir.tar.gz"
        target.parent.mkdir(parents=True, exist_ok=True)
        bucket, name = split_uri(uri)
        s3.download_file(bucket, name, str(target))


def _plain(text: str) -> str:
    """Hyperparameters carry strings as JSON or as they are."""
    try:
        return str(json.loads(text))
    except (ValueError, RecursionError):
        return text
