"""What whoever runs programs promises: a folder's sandbox, and an engine with real images, alike.

tests/local/sagemaker/test_container_contract.py holds both of them to it.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Sequence
from typing import IO, Protocol

from dropforge.local.sagemaker.sandbox.spec import Spec


class Process(Protocol):
    """A running program."""

    output: IO[bytes]
    """What it writes, stdout and stderr in one stream of bytes; whoever reads it closes it."""

    def begin(self) -> None:
        """Let the program start that waited for the other hosts of its network."""

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program; one that is gone does not mind."""

    def kill(self) -> None:
        """Kill the program and what it started."""

    def wait(self, seconds: float | None = None) -> int | None:
        """Give the exit code (128 + n after signal n), or None when the time ended first."""

    def poll(self) -> int | None:
        """Give the exit code, or None while it runs."""

    def out_of_memory(self) -> bool:
        """Say whether it was ended because it had more memory than it may, or than there is."""

    def connect(self, port: int, seconds: float) -> socket.socket:
        """Open a connection to the program's server; OSError or SandboxError while it does not listen."""


class Place(Protocol):
    """Where a program can be started."""

    def start(self, spec: Spec) -> Process:
        """Start it; SandboxError when it cannot be."""


class Network(Protocol):
    """Reaches from host to host of one job, by their names, and nowhere else."""

    def place(self, name: str) -> Place:
        """Give the place of one host; what is started there waits for `begin`."""

    def close(self) -> None:
        """Take the network down; the programs have ended."""


class Image(Place, Protocol):
    """What a request's image URI means here; a program started in it has no other hosts."""

    def bring(self, stopped: Callable[[], bool]) -> None:
        """Have the image here; ImageError when it cannot be had."""

    def default(self, program: str) -> tuple[str, ...] | None:
        """Say what runs where a request names no entry point; None where nothing would."""

    def missing_network(self) -> str | None:
        """Say in one sentence why there can be no network between hosts; None when there can."""

    def network(self, names: Sequence[str]) -> Network:
        """Lay a network for hosts of these names."""
