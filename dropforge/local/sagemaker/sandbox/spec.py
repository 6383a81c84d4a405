"""What is to run, and within which limits."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dropforge.local.sagemaker.sandbox import machine
from dropforge.local.sagemaker.sandbox.network import Seat

PROCESSES = max(1024, 512 * (os.cpu_count() or 1))
"""More than any training wants, and few enough for the machine to stay of use."""


class SandboxError(Exception):
    """The kernel did not let the sandbox be built, or it is gone."""


class ImageError(SandboxError):
    """An image cannot be had, or no program can be started in it; the message is for FailureReason."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What to run, and where. `folder` becomes the world of the program: `ml/` is its /opt/ml, `tmp/` its /tmp."""

    command: tuple[str, ...]
    """Arguments of the entry point; where none is named, of the image's own, or a command where it has none."""
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    port: int | None = None
    """Where a server is to be reached; every port of a sandbox can be, one of an engine's containers only this."""
    image: Path | None = None
    """A folder, seen read-only as /opt/program and searched first for the command; of sandboxes alone."""
    hidden: tuple[Path, ...] = ()
    """Folders that must not be seen even if something that is seen contains them."""
    seat: Seat | None = None
    """A place in the network of several hosts; the program waits then for `begin`. Of sandboxes alone."""
    memory: int | None = None
    """How many bytes the program and all that it started may have together; None is this machine's share for one."""
    processes: int = PROCESSES
    """How many the program may have at once, threads among them."""
    files: int = 65536
    """How many files a process may have open."""
    file_size: int | None = None
    """How many bytes one file may have."""

    @property
    def words(self) -> tuple[str, ...]:
        """The whole command line, where no image has an entry point of its own."""
        return (*self.entrypoint, *self.command)

    @property
    def most_memory(self) -> int | None:
        """How many bytes of memory that is; None where nobody knows what the machine has."""
        return self.memory or machine.memory()


def limits(spec: Spec) -> dict[str, int | None]:
    """Tell those limits of a specification by their names."""
    return {"memory": spec.most_memory, "processes": spec.processes, "files": spec.files, "file_size": spec.file_size}
