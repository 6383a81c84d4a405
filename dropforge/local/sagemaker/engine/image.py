"""An image that Docker or Podman runs, and the network between the hosts of one job."""

from __future__ import annotations

import hashlib
import resource
import threading
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from dropforge.local.sagemaker.engine import arguments, client
from dropforge.local.sagemaker.engine.client import Client, EngineError
from dropforge.local.sagemaker.engine.container import Container
from dropforge.local.sagemaker.sandbox.spec import ImageError, Spec
from dropforge.local.sagemaker.sandbox.view import HOST


class Engine:
    """Docker or Podman, for the cloud that lives in one home; found when it is first needed.

    A file in the home remembers which, as long as it may have something of ours.
    """

    def __init__(self, home: Path) -> None:
        self._mark = home / "engine"
        self.label = hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:16]
        self._lock = threading.Lock()
        self._client: Client | None = None

    def look(self) -> Client:
        """Find the one that answers now; EngineError when none does."""
        found = client.find()
        with self._lock:
            self._client = found
            self._mark.write_text(found.program)
        return found

    def client(self) -> Client:
        return self._client or self.look()

    def name(self) -> str:
        return f"dropforge-{self.label[:8]}-{uuid.uuid4().hex[:12]}"

    def sweep(self) -> None:
        """Remove what a former life of this cloud left; what cannot be removed now is left for the next start."""
        if not self._mark.is_file():
            return
        former = Client(self._mark.read_text())
        try:
            for each in former.run(arguments.containers(self.label)).split():
                _try(former, arguments.kill(each))
                _try(former, arguments.remove(each))
            for each in former.run(arguments.networks(self.label)).split():
                _try(former, arguments.remove_network(each))
            left = former.run(arguments.containers(self.label)) + former.run(arguments.networks(self.label))
        except EngineError:
            return
        if not left:
            self._mark.unlink()


def _try(former: Client, words: Sequence[str]) -> None:
    with suppress(EngineError):
        former.run(words)


@dataclass(frozen=True, slots=True)
class Real:
    """An image by the name that an engine knows it by."""

    engine: Engine
    name: str

    def bring(self, stopped: Callable[[], bool]) -> None:
        """Have the engine fetch the image unless it has it; who may fetch it is told to the engine by its own login."""
        try:
            found = self.engine.client()
            try:
                found.run(arguments.has(self.name))
            except EngineError:
                found.pull(self.name, stopped)
        except client.StoppedError:
            return
        except EngineError as error:
            raise ImageError(f"The image {self.name} cannot be had: {error}") from error

    def default(self, program: str) -> tuple[str, ...] | None:
        """Leave it to the image: it has an entry point of its own."""
        del program
        return ()

    def missing_network(self) -> str | None:
        return None

    def start(self, spec: Spec) -> Container:
        """Start a program; a server has a network of its own, to publish its port by."""
        own = self.engine.name() if spec.port else None
        if own:
            self._say(arguments.create_network(own, self.engine.label, outward=True))
        started = self._create(spec, own, HOST, own_network=own)
        started.begin()
        return started

    def network(self, names: Sequence[str]) -> Between:
        del names
        name = self.engine.name()
        self._say(arguments.create_network(name, self.engine.label, outward=False))
        return Between(self, name)

    def seated(self, spec: Spec, network: str, host: str) -> Container:
        """Make the container of one host, which waits for the others."""
        return self._create(spec, network, host, shared_network=network)

    def _create(
        self, spec: Spec, network: str | None, host: str, *, own_network: str | None = None,
        shared_network: str | None = None,
    ) -> Container:  # fmt: skip
        (spec.folder / "ml").mkdir(parents=True, exist_ok=True)
        spec = replace(spec, files=_allowed(spec.files))
        name, label = self.engine.name(), self.engine.label
        try:
            self._say(arguments.create(name, label, self.name, spec, network=network, host=host))
        except ImageError:
            if own_network:
                self._say(arguments.remove_network(own_network))
            raise
        return Container(
            self.engine.client(),
            name,
            spec,
            open_up=arguments.open_up(label, self.name, spec),
            own_network=own_network,
            shared_network=shared_network,
        )

    def _say(self, words: Sequence[str]) -> None:
        try:
            self.engine.client().run(words)
        except EngineError as error:
            raise ImageError(f"The image {self.name} cannot be run: {error}") from error


def _allowed(files: int) -> int:
    """Lower a limit to our own: an engine that is not root's may not give more, and says no to it."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return files if most == resource.RLIM_INFINITY else min(files, most)


@dataclass(frozen=True, slots=True)
class Between:
    """A network of an engine. It knows a host by name from its start on: programs wait for one another, as on AWS."""

    image: Real
    name: str

    def place(self, name: str) -> Seated:
        return Seated(self.image, self.name, name)

    def close(self) -> None:
        """Take it down; what the engine does not want to let go is swept at the next start."""
        with suppress(EngineError):
            self.image.engine.client().run(arguments.remove_network(self.name))


@dataclass(frozen=True, slots=True)
class Seated:
    """One host's place in it."""

    image: Real
    network: str
    host: str

    def start(self, spec: Spec) -> Container:
        return self.image.seated(spec, self.network, self.host)
