"""Removes what a program had, whatever it left: folders thousands deep, folders that nobody may enter, no end of links.

`shutil.rmtree` goes down by recursion and by paths, which both have an end: a job could leave what no life of the cloud
could get rid of, and what ended the next one at its start.
"""

from __future__ import annotations

import os
import stat
import uuid
from contextlib import suppress
from pathlib import Path


def remove(folder: Path) -> None:
    """Remove a folder that nothing runs in any more; what cannot be removed stays."""
    stuck: set[str] = set()
    while wanted := [name for name in _emptied(folder) if name not in stuck]:
        stuck.update(name for name in wanted if not _lifted(folder / name, folder))
    with suppress(OSError):
        folder.rmdir()


def _lifted(inner: Path, top: Path) -> bool:
    """Remove a folder whose own folders go up to the top first: no path is ever longer than two names below it."""
    try:
        for name in _emptied(inner):
            (inner / name).rename(top / uuid.uuid4().hex)
        inner.rmdir()
    except OSError:
        return False
    return True


def _emptied(folder: Path) -> list[str]:
    """Remove what is no folder from a folder; gives the names of the folders in it, which can be entered now."""
    found: list[str] = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    Path(entry.path).chmod(stat.S_IRWXU)
                    found.append(entry.name)
                else:
                    Path(entry.path).unlink()
    return found
