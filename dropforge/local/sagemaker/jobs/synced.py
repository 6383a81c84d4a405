"""Folders of a container that go to S3 while it runs and once more when it has ended: checkpoints, TensorBoard's data.

The program may turn anything in them into a link at any moment. So everything is opened from the folder down, name by
name, and a link is never followed.
"""

from __future__ import annotations

import os
import posixpath
import stat
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from dropforge.local.sagemaker.jobs.channels import files
from dropforge.local.sagemaker.jobs.channels.asked import Channel
from dropforge.local.sagemaker.places import split_uri
from dropforge.local.sagemaker.store import Doc

_LARGEST = 20 * 1024**3
_LONGEST_KEY = 1024
"""Bytes, as S3 has it: who nests folders deeper asks for no place there."""
_PAUSE = 0.5
_LONGEST_NAME, _LONGEST_PATH = 255, 2048
"""Bytes; a path may have twice as many, but it is not the whole of it."""
_ML = "/opt/ml/"
_INPUT = "/opt/ml/input/"
CHECKPOINTS, TENSORBOARD = "/opt/ml/checkpoints", "/opt/ml/output/tensorboard"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # a named pipe must not hold us up


class SyncError(Exception):
    """What the program left cannot be taken to S3; becomes its FailureReason, as a ClientError."""


class Folder:
    """One folder of one host, and its place in S3."""

    def __init__(self, client: Callable[[str], Any], uri: str, path: str, ml: Path) -> None:
        self._client = client
        self._uri = uri.rstrip("/") + "/"
        self._ml = ml
        self._parts = posixpath.normpath(path).removeprefix(_ML).split("/")
        self._taken: dict[str, tuple[int, int]] = {}
        ml.joinpath(*self._parts).mkdir(parents=True, exist_ok=True)

    def bring(self, stopped: Callable[[], bool]) -> None:
        """Bring what is in S3 already; it is not taken there again before it changes."""
        bucket, prefix = split_uri(self._uri)
        s3 = self._client("s3")
        if s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("KeyCount", 0):
            channel = Channel(name="", mode="File", kind="S3Prefix", uri=self._uri)
            files.fetch(s3, channel, self._ml.joinpath(*self._parts), stopped)
        for name, file in self._files():
            os.close(file)
            found = self._ml.joinpath(*self._parts, name).stat()
            self._taken[name] = (found.st_mtime_ns, found.st_size)

    def take(self) -> None:
        """Take what is new or has changed since it was last taken."""
        bucket, prefix = split_uri(self._uri)
        for name, descriptor in self._files():
            with open(descriptor, "rb") as file:  # noqa: PTH123 - an open descriptor, no path
                found = os.fstat(file.fileno())
                mark = (found.st_mtime_ns, found.st_size)
                if not stat.S_ISREG(found.st_mode) or self._taken.get(name) == mark:
                    continue
                if found.st_size > _LARGEST:
                    raise SyncError(f"{name} takes more than {_LARGEST} bytes")  # a file with holes claims any size
                self._client("s3").upload_fileobj(file, bucket, _key(prefix, name))
                self._taken[name] = mark

    def _files(self) -> Iterator[tuple[str, int]]:
        """Give the files below the folder, open, with their names; the taker closes them."""
        folder = os.open(self._ml, _FOLDER)
        try:
            for part in self._parts:
                below = os.open(part, _FOLDER, dir_fd=folder)
                os.close(folder)
                folder = below
            for path, _, names, descriptor in os.fwalk(".", dir_fd=folder, follow_symlinks=False):
                _key("", path)
                for name in sorted(names):
                    with suppress(OSError):  # a link, or gone again
                        opened = os.open(name, _FILE, dir_fd=descriptor)
                        yield str(Path(path) / name), opened
        except (FileNotFoundError, NotADirectoryError):  # the program has removed it, or put a link in its place
            return
        finally:
            os.close(folder)


class Watch:
    """Takes folders while the program runs. What cannot be taken then is told by `end`, which takes once more."""

    def __init__(self, folders: Sequence[Folder]) -> None:
        self._folders = folders
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sagemaker-sync", daemon=True)
        if folders:
            self._thread.start()

    def stop(self) -> None:
        """End the watching; once more does nothing."""
        self._ended.set()
        if self._folders:
            self._thread.join()

    def end(self) -> None:
        self.stop()
        for folder in self._folders:
            folder.take()

    def _run(self) -> None:
        while not self._ended.wait(_PAUSE):
            for folder in self._folders:
                with suppress(Exception):  # it is tried again, and `end` says what is wrong
                    folder.take()


def _key(prefix: str, name: str) -> str:
    """Give the key of a file; SyncError where S3 can have none."""
    try:
        length = len((prefix + name).encode())
    except UnicodeEncodeError as error:
        raise SyncError(f"{name!r} is no name in UTF-8") from error
    if length > _LONGEST_KEY:
        raise SyncError(f"a key would have more than {_LONGEST_KEY} bytes: {name[:80]}…")
    return prefix + name


def paths(request: Mapping[str, Any]) -> list[str]:
    """Give the folders that a request wants in S3."""
    return [
        asked.get("LocalPath") or usual
        for asked, usual in (
            (request.get("CheckpointConfig"), CHECKPOINTS),
            (request.get("TensorBoardOutputConfig"), TENSORBOARD),
        )
        if asked
    ]


def is_allowed(path: str) -> bool:
    """Tell whether a container here can have a folder there: below /opt/ml, by names that file systems take."""
    place = posixpath.normpath(path)
    short = len(place.encode()) <= _LONGEST_PATH and all(
        len(part.encode()) <= _LONGEST_NAME for part in place.split("/")
    )
    return place.startswith(_ML) and short and "\0" not in place


def is_input(path: str) -> bool:
    """Tell whether a folder lies where the configuration and the channels do: one would write over the other."""
    return f"{posixpath.normpath(path)}/".startswith(_INPUT)


def checkpoints(client: Callable[[str], Any], job: Doc, ml: Path) -> list[Folder]:
    asked = job.get("CheckpointConfig")
    return [Folder(client, asked["S3Uri"], asked.get("LocalPath") or CHECKPOINTS, ml)] if asked else []


def tensorboard(client: Callable[[str], Any], job: Doc, ml: Path) -> list[Folder]:
    asked = job.get("TensorBoardOutputConfig")
    if not asked:
        return []
    uri = f"{asked['S3OutputPath'].rstrip('/')}/{job['TrainingJobName']}/tensorboard-output"
    return [Folder(client, uri, asked.get("LocalPath") or TENSORBOARD, ml)]
