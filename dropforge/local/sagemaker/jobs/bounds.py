"""What a job may not use up, for the cloud beside it needs it too: the machine's disk, and the room for logs."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

_MB = 1024 * 1024
OUT_OF_MEMORY = "ClientError: Please use an instance type with more memory, or reduce the size of job data processed on an instance."  # noqa: E501 - AWS's line
"""What AWS says of a job whose container was ended for its memory. What reads it shows it, as no page of AWS does:
app/grandchallenge/components/backends/amazon_sagemaker_base.py of https://github.com/comic/grand-challenge.org"""


@dataclass(frozen=True, slots=True)
class Bounds:
    log_bytes: int = 256 * _MB
    """That one host may write to its log."""
    free_bytes: int = 64 * _MB
    """That must stay free on the disk that jobs are on."""

    def full(self, folder: Path) -> str | None:
        """Say that the disk is full, where it is."""
        if shutil.disk_usage(folder).free >= self.free_bytes:
            return None
        return "No space left on device: the job has filled the disk of this machine."

    def flooded(self, written: int) -> str | None:
        """Say that a log is too long, where it is."""
        if written <= self.log_bytes:
            return None
        return (
            f"The job has written more than {self.log_bytes} bytes to its log, which is all that the local cloud keeps."
        )


BOUNDS = Bounds()
