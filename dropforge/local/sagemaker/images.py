"""What an image's URI means here: a folder with the programs `train` and `serve`, or the image itself, by an engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dropforge.local.sagemaker.engine import refusals as engine_refusals
from dropforge.local.sagemaker.engine.client import EngineError
from dropforge.local.sagemaker.engine.image import Engine, Real
from dropforge.local.sagemaker.sandbox.contract import Image
from dropforge.local.sagemaker.sandbox.folders import Folder
from dropforge.local.sagemaker.wire import refusals


@dataclass(frozen=True, slots=True)
class Itself:
    """Stands for an image that Docker or Podman runs: under its own URI, or under another name."""

    name: str | None = None


StandIn = Path | Itself
STAND_INS: Mapping[str, StandIn] = {"sagemaker-scikit-learn": Path(__file__).parents[1] / "images" / "sklearn"}


class Images:
    """Finds what runs, by the repository of a URI. `home` tells this cloud's containers from all others."""

    def __init__(self, known: Mapping[str, StandIn], home: Path) -> None:
        self._known = known
        self._engine = Engine(home)

    def check(self, uri: str, *, isolated_server: bool = False) -> Image:
        """Find what a request is to run; a refusal when it cannot run now, or not so."""
        found = self.find(uri)
        if isinstance(found, Real):
            if isolated_server:
                raise engine_refusals.NOT_ISOLATED(uri=uri)
            try:
                self._engine.look()
            except EngineError as error:
                raise engine_refusals.NO_ENGINE(uri=uri, why=error) from error
        return found

    def find(self, uri: str) -> Image:
        """Find what runs; a refusal when nothing stands in for it."""
        repository = uri.partition("@")[0].rpartition("/")[2].partition(":")[0]
        match self._known.get(repository):
            case None:
                raise refusals.NO_STAND_IN(uri=uri, names=", ".join(sorted(self._known)), repository=repository)
            case Itself(name):
                return Real(self._engine, name or uri)
            case folder:
                return Folder(folder)

    def sweep(self) -> None:
        """Remove the containers that a former life of this cloud left."""
        self._engine.sweep()
