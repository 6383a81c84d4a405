"""Somebody who kills the whole cloud at random moments and starts it again, and clients who live with that."""

from __future__ import annotations

import http.client
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, IncompleteReadError, ResponseStreamingError
from urllib3.exceptions import HTTPError

from dropforge.local import launch
from dropforge.local.home import Home
from tests.e2e.conftest import ROOT, SPEED, Cloud, Reply, wait_until

_PAUSE = 6.0
"""Seconds that a life lasts, on average; with so short ones, much happens only over several."""
_STARTS_CUT = 0.25
"""Part of the kills after which a start is killed, too."""
_INTO_A_START = 4.0
PATIENCE = 300.0


@dataclass
class Mortal(Cloud):
    """A cloud for clients who ask again while it is away; what they asked for may have been done already."""

    def http(self, *args: Any, **kwargs: Any) -> Reply:
        def answered() -> Reply | None:
            with suppress(OSError, http.client.HTTPException):
                reply = super(Mortal, self).http(*args, **kwargs)
                return reply if reply.status < 500 else None
            return None

        return wait_until(answered, PATIENCE, every=0.3)

    def read(self, key: str) -> bytes | None:
        while True:
            # A life may end between an answer's head and its body, which no client asks for again.
            with suppress(ResponseStreamingError, IncompleteReadError):
                return super().read(key)

    def client(self, service: str) -> Any:
        """Give a client whose every call is patient, those of its paginators, too."""
        if service not in self._clients:
            made = super().client(service)
            call = made._make_api_call  # noqa: SLF001  all operations of a client go through it
            made._make_api_call = lambda *asked: _patiently(call, *asked)  # noqa: SLF001  see above
        return self._clients[service]

    def reborn(self, card: dict[str, Any]) -> None:
        if card["endpoint"] != self.card["endpoint"]:
            self._clients.clear()
        self.card = card


def _patiently(call: Any, *asked: Any) -> Any:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return call(*asked)
        except (BotoCoreError, ClientError, HTTPError) as error:  # the last: of an error's body, which botocore reads
            answer = (getattr(error, "response", None) or {}).get("ResponseMetadata", {})  # a broken one has None
            if answer.get("HTTPStatusCode", 500) < 500 or time.monotonic() > end:
                raise
        time.sleep(0.3)


@dataclass
class Killer:
    """Kills the cloud so many times, and starts it again each time."""

    cloud: Mortal
    project: Path
    seed: int
    kills: int
    done: int = 0
    starts_cut: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    @property
    def over(self) -> bool:
        return self._over.is_set()

    def stop(self) -> None:
        self._over.set()

    def kill(self) -> None:
        dice = random.Random(self.seed)  # noqa: S311  moments, no secret
        while self.done < self.kills and not self._over.wait(dice.expovariate(1 / _PAUSE)):
            os.kill(int(self.cloud.card["pid"]), signal.SIGKILL)
            self.done += 1
            if dice.random() < _STARTS_CUT:
                self._cut_a_start(dice.uniform(0, _INTO_A_START))
            self.cloud.reborn(launch.start(self.cloud.home, speed=SPEED, attached=True, project=self.project))

    def _cut_a_start(self, seconds: float) -> None:
        home = Home(self.cloud.home)
        wait_until(lambda: not home.claimed(), 10, every=0.02)
        command = [sys.executable, "-m", "dropforge.local", "--home", str(home.path), "--speed", str(SPEED)]
        with home.log.open("ab") as log, subprocess.Popen(
            [*command, "--project", str(self.project), "--until-stdin-closes"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True,
        ) as process:  # fmt: skip
            self._over.wait(seconds)
            process.kill()
        self.starts_cut += 1


@contextmanager
def killing(killer: Killer) -> Iterator[Killer]:
    """Kill while the block runs; it fails with what the killer failed with."""
    with ThreadPoolExecutor(1) as hand:
        kills = hand.submit(killer.kill)
        kills.add_done_callback(lambda _: killer.stop())
        try:
            yield killer
        finally:
            killer.stop()
        kills.result()
