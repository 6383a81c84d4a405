"""The user's source archive, brought into the container beside its data."""

from __future__ import annotations

import tarfile
from pathlib import Path


def unpack(archive: Path, folder: Path) -> None:
    """Unpack with the standard library's own caution where it has one: Python 3.11 learnt it in 3.11.4."""
    with tarfile.open(archive, "r:gz") as opened:
        opened.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
        opened.extractall(folder)  # noqa: S202 - the filter is set above, and the sandbox holds either way
