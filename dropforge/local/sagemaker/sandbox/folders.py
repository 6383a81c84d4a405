"""Folders in the place of images: their programs `train` and `serve` run in sandboxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dropforge.local.sagemaker import sandbox
from dropforge.local.sagemaker.sandbox import network
from dropforge.local.sagemaker.sandbox.contract import Process
from dropforge.local.sagemaker.sandbox.spec import Spec


@dataclass(frozen=True, slots=True)
class Folder:
    path: Path

    def start(self, spec: Spec) -> Process:
        return sandbox.start(replace(spec, image=self.path))

    def bring(self, stopped: Callable[[], bool]) -> None:
        """Do nothing: it is here."""
        del stopped

    def default(self, program: str) -> tuple[str, ...] | None:
        return (program,) if (self.path / program).is_file() else None

    def missing_network(self) -> str | None:
        return network.missing()

    def network(self, names: Sequence[str]) -> Between:
        return Between(self, network.Network(names))


@dataclass(frozen=True, slots=True)
class Between:
    """A network of sandboxes."""

    folder: Folder
    laid: network.Network

    def place(self, name: str) -> Seated:
        return Seated(self.folder, self.laid.seat(name))

    def close(self) -> None:
        self.laid.close()


@dataclass(frozen=True, slots=True)
class Seated:
    """One host's place in it."""

    folder: Folder
    seat: network.Seat

    def start(self, spec: Spec) -> Process:
        return self.folder.start(replace(spec, seat=self.seat))
