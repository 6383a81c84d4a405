"""The folder a local cloud lives in: its lock, keys, ports, and the card (`cloud.json`) that says where it answers."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

ACCOUNT = "000000000000"
REGION = "us-east-1"
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_LOCK_PATIENCE = 0.5
"""Somebody asking for the status holds the lock for an instant."""


class HomeBusyError(Exception):
    """A local cloud already runs in this home."""


class HomeUnusableError(Exception):
    """No local cloud can live there."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The one pair of credentials that this cloud's account has."""

    access: str
    secret: str


class Home:
    """One home folder."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._lock: int | None = None

    @property
    def card(self) -> Path:
        return self.path / "cloud.json"

    @property
    def log(self) -> Path:
        return self.path / "cloud.log"

    def make(self) -> None:
        """Make the folder unless it is there, for its owner alone; HomeUnusableError when nothing can be kept in it."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise HomeUnusableError(f"{self.path} cannot be the home of a local cloud: {error.strerror}") from error

    def claim(self) -> None:
        """Take the home for this process, until it dies however it dies; HomeBusyError when another has it."""
        self.make()
        self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + _LOCK_PATIENCE
        while not _locked(self._lock, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise HomeBusyError(f"a local cloud already runs in {self.path}; stop it first, or use another folder")
            time.sleep(0.02)
        self.card.unlink(missing_ok=True)

    def claimed(self) -> bool:
        """Tell whether a living process has this home: a card may be of a dead one, whatever its pid means now."""
        try:
            lock = os.open(self.path / "lock", os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return False
        try:
            return not _locked(lock, fcntl.LOCK_SH)
        finally:
            os.close(lock)

    def keys(self) -> Keys:
        """Give the account's keys; made at the first start."""
        file = self.path / "keys.json"
        if not file.exists():
            access = "LOCAL" + "".join(secrets.choice(_ALPHABET) for _ in range(15))
            write_private(file, json.dumps({"access_key": access, "secret_key": secrets.token_urlsafe(30)}))
        kept = json.loads(file.read_text())
        return Keys(kept["access_key"], kept["secret_key"])

    def listen(self, name: str, port: int = 0) -> socket.socket:
        """Open a loopback port under a name: the given one, or the one it had before if that is free, else any."""
        if port:
            listening = _bind(port)
            if listening is None:
                raise HomeUnusableError(f"port {port} of 127.0.0.1 is taken; name another")
            return listening
        file = self.path / "ports.json"
        ports: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
        listening = _bind(ports.get(name, 0)) or _bind(0)
        if listening is None:
            raise OSError("no free port on 127.0.0.1")
        ports[name] = listening.getsockname()[1]
        write_private(file, json.dumps(ports, indent=1, sort_keys=True))
        return listening

    def read_card(self) -> dict[str, Any] | None:
        try:
            return cast("dict[str, Any]", json.loads(self.card.read_text()))
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None

    def write_card(self, card: dict[str, Any]) -> None:
        write_private(self.card, json.dumps(card, indent=1) + "\n")


def write_private(file: Path, text: str) -> None:
    """Replace a file at once, readable by its owner alone."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(text)
    fresh.replace(file)


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _bind(port: int) -> socket.socket | None:
    # asyncio sets TCP_NODELAY only where the protocol is named; without it answers wait 40 ms for acknowledgements.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
        # Listening at once keeps anyone else from taking it, too.
        listening.listen(512)
    except OSError:
        listening.close()
        return None
    return listening
