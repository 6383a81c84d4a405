"""What `--image` may say, before anybody looks what stands in for the image."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from dropforge.cli.errors import UsageError

_PROGRAMS = ("train", "serve")


def check(given: Iterable[str]) -> None:
    """UsageError for what names no image or nothing in its place, and for programs that cannot be started."""
    for each in given:
        repository, equals, what = each.partition("=")
        if not equals:
            raise UsageError(f"--image {each}: write REPOSITORY=FOLDER, as in --image my-image=./container.")
        if not repository or not what:
            missing = "folder" if repository else "repository"
            raise UsageError(f"--image {each}: no {missing} is named; write REPOSITORY=FOLDER.")
        for program in (Path(what) / name for name in _PROGRAMS):
            if program.is_file() and not os.access(program, os.X_OK):
                raise UsageError(f"--image {each}: {program} is not executable. Let it be: chmod +x {program}")
