from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from dropforge.local.clients import Clients
from dropforge.local.front import Front
from dropforge.local.home import ACCOUNT, REGION, Home
from dropforge.local.ministack import Account, Ministack
from dropforge.local.serving import Server
from tests.local.door import Door, opened


@dataclass
class Recorder:
    """Takes invocations in the place of the cloud's functions."""

    queued: list[tuple[str, Any]] = field(default_factory=list)
    invoked: list[tuple[str, Any]] = field(default_factory=list)

    def queue(self, function: str, event: Any) -> None:
        self.queued.append((function, event))

    def invoke(self, function: str, event: Any) -> tuple[Any, bool]:
        self.invoked.append((function, event))
        return {"seen": event}, False


@dataclass
class Stack:
    """ministack in this process, behind the front."""

    home: Home
    ministack: Ministack
    front: Front
    client: Clients
    endpoint: str
    recorder: Recorder


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One for the whole session: ministack's state lives in its modules."""
    before = dict(os.environ)
    home = Home(tmp_path_factory.mktemp("home"))
    listening = home.listen("aws")
    port = listening.getsockname()[1]
    ministack = Ministack(home.path, Account(ACCOUNT, REGION, port, home.keys()))
    recorder = Recorder()
    ministack.hand_over(recorder)
    front = Front(ministack.asgi)
    server = Server(front.asgi, listening, name="test", before=ministack.start, beside=ministack.keep_saving)
    server.start()
    endpoint = f"http://127.0.0.1:{port}"
    yield Stack(home, ministack, front, Clients(endpoint, home.keys()), endpoint, recorder)
    server.stop()
    ministack.stop()
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def served_door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with opened(tmp_path_factory.mktemp("door")) as door:
        yield door


@pytest.fixture(scope="session")
def impatient_door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """One that waits neither for slow functions nor for slow clients."""
    with opened(tmp_path_factory.mktemp("impatient"), within=1.5, headers_within=0.5) as door:
        yield door


@pytest.fixture
def door(served_door: Door) -> Door:
    served_door.functions.forget()
    return served_door
