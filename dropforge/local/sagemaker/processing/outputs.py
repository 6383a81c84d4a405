"""Outputs: folders of the container, taken to S3 file by file, at the end or while the program writes them.

The program may turn anything under its folder into a link in any moment. So everything is opened from the folder down,
name by name, and a link is never followed.
"""

from __future__ import annotations

import os
import posixpath
import stat
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from dropforge.local.sagemaker.artifacts import split_uri

_LARGEST = 20 * 1024**3
_PAUSE = 0.5
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # a named pipe must not hold us up


class OutputError(Exception):
    """What the program left cannot be taken to S3; becomes the job's FailureReason."""


class Output:
    """One output of a job: what lies below a folder of the container's goes below a URI."""

    def __init__(self, s3: Any, output: Mapping[str, Any], ml: Path) -> None:
        side = output["S3Output"]
        self._s3 = s3
        self._ml = ml
        self._parts = posixpath.normpath(side["LocalPath"]).removeprefix("/opt/ml/").split("/")
        self._bucket, self._prefix = split_uri(side["S3Uri"].rstrip("/"))
        self._taken: dict[str, tuple[int, int]] = {}
        self.continuous = side["S3UploadMode"] == "Continuous"

    def prepare(self) -> None:
        """Make the folder: it is there before the program is."""
        self._ml.joinpath(*self._parts).mkdir(parents=True, exist_ok=True)

    def take(self) -> None:
        """Take what is new or has changed since it was last taken."""
        for name, descriptor in _files(self._ml, self._parts):
            with open(descriptor, "rb") as file:  # noqa: PTH123 - an open descriptor, no path
                found = os.fstat(file.fileno())
                mark = (found.st_mtime_ns, found.st_size)
                if not stat.S_ISREG(found.st_mode) or self._taken.get(name) == mark:
                    continue
                if found.st_size > _LARGEST:
                    raise OutputError(f"{name} takes more than {_LARGEST} bytes")  # a file with holes claims any size
                self._s3.upload_fileobj(file, self._bucket, f"{self._prefix}/{name}".lstrip("/"))
                self._taken[name] = mark


class Watch:
    """Takes continuous outputs while the program runs; what goes wrong is told when it ends."""

    def __init__(self, outputs: list[Output]) -> None:
        self._outputs = outputs
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="processing-outputs", daemon=True)
        if outputs:
            self._thread.start()

    def end(self) -> None:
        self._ended.set()
        if self._outputs:
            self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_PAUSE):
            for output in self._outputs:
                with suppress(Exception):  # what it could not take it takes at the end, and then it says why not
                    output.take()


def _files(top: Path, parts: list[str]) -> Iterator[tuple[str, int]]:
    """Give the files below a folder, open, with their names; the taker closes them."""
    folder = os.open(top, _FOLDER)
    try:
        for part in parts:
            below = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = below
        for path, _, names, descriptor in os.fwalk(".", dir_fd=folder, follow_symlinks=False):
            for name in sorted(names):
                try:
                    opened = os.open(name, _FILE, dir_fd=descriptor)
                except OSError:  # a link, or gone again
                    continue
                yield str(Path(path) / name), opened
    except (FileNotFoundError, NotADirectoryError):  # the program has removed it, or put a link in its place
        return
    finally:
        os.close(folder)
