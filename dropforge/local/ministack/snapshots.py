"""The state of all services on disk."""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_WRITING = threading.Lock()
"""ministack writes to one folder at a time, which a variable of its module names."""
_SINCE = "journal"

logger = logging.getLogger(__name__)


class Snapshots:
    """A process that dies while it writes one leaves the one before, whole."""

    def __init__(self, home: Path) -> None:
        """Keep the newest snapshot where the link `state` in this folder points to."""
        self.link = home / "state"
        self._home = home
        self._newest = 0

    def open(self) -> int:
        """Let ministack read the newest snapshot; gives the first segment of the journal that it does not have."""
        from ministack.core import persistence

        persistence.STATE_DIR = str(self.link)
        since = self.link / _SINCE
        return int(since.read_text()) if since.exists() else 0

    def write(self, states: Mapping[str, Any], since: int = 0) -> bool:
        """Write a snapshot beside the last one and put it in its place, if all of it could be written.

        `since`: the first segment of the journal that it does not have.
        """
        with _WRITING:
            if since < self._newest:
                return True  # one that was begun later stands already
            written = self._write(states, since)
            self._newest = since if written else self._newest
            return written

    def _write(self, states: Mapping[str, Any], since: int) -> bool:
        from ministack.core import persistence

        folder = Path(tempfile.mkdtemp(prefix="state-", dir=self._home))
        persistence.STATE_DIR = str(folder)
        for name, state in states.items():
            persistence.save_state(name, state)
        missing = sorted(name for name in states if not (folder / f"{name}.json").exists())
        if missing:
            # Its own log says why: a full disk, most likely. The last snapshot stays.
            logger.error("the state of %s could not be written to %s", ", ".join(missing), self._home)
            shutil.rmtree(folder, ignore_errors=True)
            return False
        (folder / _SINCE).write_text(str(since))
        self._put_in_place(folder)
        return True

    def _put_in_place(self, folder: Path) -> None:
        new = self._home / "state.new"
        new.unlink(missing_ok=True)
        new.symlink_to(folder.name)
        new.replace(self.link)
        for other in self._home.glob("state-*"):
            if other.name != folder.name:
                shutil.rmtree(other, ignore_errors=True)
