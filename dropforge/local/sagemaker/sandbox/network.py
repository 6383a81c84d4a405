"""A network for the hosts of one job: each is a sandbox with a network of its own, and a cable to the others."""

from __future__ import annotations

import functools
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dropforge.local.sagemaker.sandbox import spare, wish

SWITCH = Path(__file__).with_name("switch.py")
_SETUP_SECONDS = 20.0


class NetworkError(Exception):
    """The kernel did not let the network be built."""


@dataclass(frozen=True, slots=True)
class Seat:
    """One host's place in a network: what its sandbox needs to plug itself in."""

    hosts: dict[str, str]
    """The addresses of all hosts by their names."""
    name: str
    user: int
    net: int
    """Open files of the network's namespaces, which the sandbox inherits."""

    def describe(self) -> dict[str, object]:
        number = list(self.hosts).index(self.name) + 1
        return {"number": number, "address": self.hosts[self.name], "user": self.user, "net": self.net}


class Network:
    """A bridge that lives until `close`, or as long as this process; it leads nowhere but to its hosts."""

    def __init__(self, names: Sequence[str], switch: Path = SWITCH) -> None:
        self.hosts = {name: f"10.0.0.{number}" for number, name in enumerate(names, 1)}
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(switch), str(theirs.fileno()), str(spare.user() or "")],
                stdin=subprocess.DEVNULL,
                env={},
                pass_fds=(theirs.fileno(),),
                cwd="/",
                start_new_session=True,
            )
        self._control.settimeout(_SETUP_SECONDS)
        self._files: list[int] = []
        try:
            said, self._files, _, _ = socket.recv_fds(self._control, 4096, 2)
        except OSError as error:
            said = json.dumps({"error": str(error)}).encode()
        if len(self._files) != 2:  # noqa: PLR2004 - user and net
            self.close()
            raise NetworkError(str(json.loads(said or b"{}").get("error") or "it ended at once"))

    def seat(self, name: str) -> Seat:
        return Seat(self.hosts, name, *self._files)

    def close(self) -> None:
        """Take the network down."""
        self._control.close()
        for descriptor in self._files:
            os.close(descriptor)
        self._process.kill()
        self._process.wait()


def missing() -> str | None:
    """Say in one sentence why there can be no network between hosts on this machine; None when there can."""
    if wish.is_plain():
        return f"{wish.VARIABLE} asks for programs without walls, which have no network of their own."
    return _refused()


@functools.cache
def _refused() -> str | None:
    try:
        Network(("algo-1",)).close()
    except (NetworkError, OSError) as error:
        return f"This machine does not let hosts have a network between them ({error})."
    return None
