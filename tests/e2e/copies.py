"""A copy of what is deployed of the project, for tests that change something in it."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.e2e.conftest import ROOT

_SHIPPED = ("app.py", "chalicelib", ".chalice", "infra")


def copy_project(target: Path) -> Path:
    """Copy all that a cloud deploys into a folder that it may have to make; gives that folder."""
    target.mkdir(parents=True, exist_ok=True)
    for name in _SHIPPED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target / name)
    return target
