"""Named pipes: `/opt/ml/input/data/<channel>_<epoch>`, one epoch after the other, for as long as the program reads."""

from __future__ import annotations

import errno
import itertools
import logging
import os
import select
import stat
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from dropforge.local.sagemaker.jobs.channels import streams
from dropforge.local.sagemaker.jobs.channels.asked import Channel, InputError

_GLANCE = 0.02
_MILLISECONDS = 100
_EVERYBODY = 0o666

logger = logging.getLogger(__name__)


class Pipe:
    """Feeds one channel of one host. The first pipe is there when this is made, before the program starts.

    The program may write where the pipes are: nothing but a pipe is ever written to, and no link is followed.
    """

    def __init__(self, client: Callable[[str], Any], channel: Channel, folder: Path, scratch: Path) -> None:
        self._client = client
        self._channel = channel
        self._scratch = scratch
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"pipe-{channel.name}", daemon=True)
        self._descriptor: int | None = None
        """Of the epoch that is read; it stays open where the data fails, for an end would look like the data's."""
        self.failure: str | None = None
        """Why the data could not be brought to its end."""
        self._make(0)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the feeding; call it when the program has ended."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self._close()
        os.close(self._folder)

    def _run(self) -> None:
        try:
            for epoch in itertools.count():
                self._descriptor = self._open(epoch)
                if self._descriptor is None:
                    return
                self._make(epoch + 1)  # a program opens it as soon as it has had enough of this one
                self._feed(self._descriptor, epoch)
                self._end(epoch)
        except InputError as error:
            self.failure = str(error)
        except Exception as error:  # the edge of the thread: the program must not wait for ever
            logger.exception("channel %s met an error", self._channel.name)
            self.failure = f"Data download failed: {error}"

    def _end(self, epoch: int) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._name(epoch), dir_fd=self._folder)
        self._close()

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _name(self, epoch: int) -> str:
        return f"{self._channel.name}_{epoch}"

    def _make(self, epoch: int) -> None:
        os.mkfifo(self._name(epoch), dir_fd=self._folder)
        os.chmod(self._name(epoch), _EVERYBODY, dir_fd=self._folder)

    def _open(self, epoch: int) -> int | None:
        """Wait until the program has opened the pipe; None when it has ended first."""
        while not self._stopping.wait(_GLANCE):
            try:
                flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW
                descriptor = os.open(self._name(epoch), flags, dir_fd=self._folder)
            except OSError as error:
                if error.errno == errno.ENXIO:  # nobody reads it yet
                    continue
                raise InputError(f"Data download failed: {self._name(epoch)}: {error.strerror}") from error
            if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise InputError(f"Data download failed: {self._name(epoch)} is no pipe any more.")
            return descriptor
        return None

    def _feed(self, descriptor: int, epoch: int) -> None:
        with (
            closing(streams.epoch(self._client("s3"), self._channel, epoch, self._scratch)) as parts,
            suppress(BrokenPipeError),  # the program has read what it wants of this epoch
        ):
            for part in parts:
                self._write(descriptor, part)
                if self._stopping.is_set():
                    return

    def _write(self, descriptor: int, part: bytes) -> None:
        waiting = select.poll()
        waiting.register(descriptor, select.POLLOUT)
        left = memoryview(part)
        while left and not self._stopping.is_set():
            try:
                left = left[os.write(descriptor, left) :]
            except BlockingIOError:
                waiting.poll(_MILLISECONDS)
