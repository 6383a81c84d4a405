"""One host of a job, whatever its kind: its folder, its program, its log, and how much of both it may have."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from dropforge.local.sagemaker import sandbox
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.jobs import cluster, inputs
from dropforge.local.sagemaker.jobs.bounds import Bounds
from dropforge.local.sagemaker.jobs.synced import Folder
from dropforge.local.sagemaker.logs import Stream
from dropforge.local.sagemaker.sandbox.contract import Image, Place
from dropforge.local.sagemaker.store import Doc

_LAST_LINES_SECONDS = 10
_LONGEST_LINE = 64 * 1024  # bytes; a longer one is passed on in parts


@dataclass(eq=False)
class Host(ABC):
    """One host while it runs: its folder, its program, its log. Each kind of jobs brings and starts its own."""

    called: ClassVar[str]
    """The member that has the job's name."""
    group: ClassVar[str]
    """Of the log."""
    _ground: Ground
    _bounds: Bounds
    _job: Doc
    _image: Image
    _host: cluster.Host
    _all: Sequence[cluster.Host]
    folder: Path
    process: sandbox.Process | None = field(default=None, init=False)
    synced: Sequence[Folder] = field(default=(), init=False)
    """What goes to S3 while the program runs."""
    _written: int = field(default=0, init=False)
    _log: tuple[threading.Thread, Stream] | None = field(default=None, init=False)

    @abstractmethod
    def __post_init__(self) -> None:
        """Make the folder, with all that SageMaker writes there."""

    @property
    def name(self) -> str:
        return self._host.name

    def bring(self, stopped: Callable[[], bool]) -> None:
        """Bring the image and the input; InputError, ImageError or the client's own where they cannot be had."""
        ended = inputs.within(self._bounds, self.folder, stopped)
        self._image.bring(ended)
        self._fetch(ended)

    def failure(self) -> str | None:
        """Say why this host cannot go on: its disk, or its log."""
        return self._bounds.full(self.folder) or self._bounds.flooded(self._written)

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()

    def close(self) -> None:
        """End everything of this host, and send its last lines; once more does nothing."""
        self.kill()
        log, self._log = self._log, None
        if log:
            log[0].join(_LAST_LINES_SECONDS)
            self._ground.logs.close(log[1])

    @abstractmethod
    def _fetch(self, ended: Callable[[], bool]) -> None:
        """Bring the input; `ended` tells when to give up."""

    def _run(
        self,
        place: Place,
        entrypoint: tuple[str, ...],
        arguments: tuple[str, ...],
        environment: dict[str, str],
        heed: Callable[[bytes], None] | None = None,
    ) -> sandbox.Process:
        """Start the program, and pass on what it writes: to the log, and to `heed`."""
        self.process = place.start(
            sandbox.Spec(
                arguments,
                self.folder,
                environment,
                entrypoint=entrypoint,
                hidden=(self._ground.home,),
                memory=self._ground.memory,
            )
        )
        name = f"{self._job[self.called]}/{self.name}-{int(self._job['CreationTime'])}"
        stream = self._ground.logs.open(self.group, name)
        reader = threading.Thread(target=self._read, args=(self.process, stream, heed), name=f"log-{name}", daemon=True)
        reader.start()
        self._log = (reader, stream)
        return self.process

    def _read(self, process: sandbox.Process, stream: Stream, heed: Callable[[bytes], None] | None) -> None:
        """Pass on what the program writes, line by line as it writes it, until it is too much."""
        with process.output as output, suppress(ValueError):
            while line := output.readline(_LONGEST_LINE):
                self._written += len(line)
                if not self._bounds.flooded(self._written):
                    stream.write(line.decode(errors="replace").rstrip("\r\n"))
                    if heed:
                        heed(line)
