"""What the programs of a job left, on its way to S3."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dropforge.local.sagemaker import artifacts
from dropforge.local.sagemaker.jobs import container
from dropforge.local.sagemaker.places import split_uri
from dropforge.local.sagemaker.store import Doc


class Outputs:
    """The outputs of one job, of all its hosts together."""

    def __init__(self, s3: Any, job: Doc, folders: Sequence[Path], scratch: Path) -> None:
        self._s3 = s3
        self._folders = folders
        self._scratch = scratch
        self._base = f"{job['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{job['TrainingJobName']}/output"
        self._plain = job["OutputDataConfig"].get("CompressionType") == "NONE"

    def model(self) -> str | None:
        """Upload the model; gives its address, None where there is none."""
        folder = container.gather(self._folders, "ml/model")
        if folder is None:
            return None
        if self._plain:
            uri = f"{self._base}/model"
            return uri if self._upload(folder, uri) else None
        uri = f"{self._base}/model.tar.gz"
        return uri if artifacts.pack_and_upload(self._s3, folder, uri, self._scratch) else None

    def data(self) -> None:
        """Upload what lies in /opt/ml/output/data."""
        folder = container.gather(self._folders, "ml/output/data")
        if folder is not None:
            artifacts.pack_and_upload(self._s3, folder, f"{self._base}/output.tar.gz", self._scratch)

    def _upload(self, folder: Path, uri: str) -> bool:
        """Upload a folder file by file; links stay behind, for S3 has none."""
        artifacts.refuse_too_large(folder)
        bucket, prefix = split_uri(uri)
        found = [path for path in sorted(folder.rglob("*")) if path.is_file() and not _is_linked(path, folder)]
        for path in found:
            self._s3.upload_file(str(path), bucket, f"{prefix}/{path.relative_to(folder)}")
        return bool(found)


def _is_linked(path: Path, folder: Path) -> bool:
    return any(part.is_symlink() for part in (path, *path.parents) if part.is_relative_to(folder))
