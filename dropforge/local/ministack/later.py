"""Services of ministack's are read when something of theirs is asked for: its CloudFormation imports every one of them.

Most of that is for nothing: forty services, some twenty megabytes. `get_state` asks for nothing: a service that was
never read has none to save.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

_SERVICES = "ministack.services."
_STATE = "get_state"


def read_services_late() -> None:
    """Have it so from now on; call before ministack is imported. Twice is as good as once."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class Later(ModuleType):
    """A module whose file has not been read."""

    def __init__(self, name: str, loader: Loader) -> None:
        super().__init__(name)
        self.__dict__["__reading__"] = _Reading(self, loader)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name == _STATE:
            return _nothing  # not read, just being read, or not to be read at all: a snapshot must not fail for it
        self.__dict__["__reading__"].read()
        return self.__dict__[name] if name in self.__dict__ else _missing(self, name)

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("__"):
            self.__dict__["__reading__"].read()  # or it would be overwritten
        ModuleType.__setattr__(self, name, value)  # super() would want a Later still


class _Reading:
    """Reads a module once; who asks meanwhile waits, but for the module itself."""

    def __init__(self, module: Later, loader: Loader) -> None:
        self._module = module
        self._loader = loader
        self._lock = threading.RLock()
        self._begun = False

    def read(self) -> None:
        with self._lock:
            if self._begun:
                return
            self._begun = True
            try:
                self._loader.exec_module(self._module)
            except BaseException:  # as for any import: who asks next gets to see it, too
                self._begun = False
                raise
            self._module.__class__ = ModuleType  # type: ignore[assignment]  # from now on it is one like any other


def _nothing() -> None:
    """Give the state of a service that has none, as ministack itself does for one that cannot be imported."""


def _missing(module: ModuleType, name: str) -> Any:
    raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(_SERVICES) or "." in fullname.removeprefix(_SERVICES):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec and spec.loader and spec.submodule_search_locations is None:
            spec.loader = _Late(spec.loader)
        return spec


class _Late(Loader):
    def __init__(self, true: Loader) -> None:
        self._true = true

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return Later(spec.name, self._true)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing yet."""
