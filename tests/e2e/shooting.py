"""Somebody who kills workers of functions at random moments, and clients who live with that."""

from __future__ import annotations

import os
import random
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.conftest import Cloud, Reply, wait_until
from tests.e2e.triggers import physical

_PAUSE = 1.0
"""Seconds between two kills, on average: a dozen is spread over a story, a hundred over many."""
_A_STEP = 4
"""Kills for each step of a story that has begun, at most: on a slow machine, too, they are spread over the stories."""
_AIMING = 1.0
"""Seconds for which one waits until a function is given something to do; after that an idle worker is killed."""
_INTO = 0.03
"""Seconds into that, at most."""
_LOOK = 0.03
_DIED = re.compile(r"RequestId: (\S+) Error: Runtime exited with error: signal: SIGKILL")
_FAILED = '"message":"Step failed"'
_CLIENTS_PATIENCE = 120


@dataclass
class ShotAt(Cloud):
    """The cloud for clients who ask again on a 5xx, as clients have to: who shoots an API's worker makes it a 502."""

    refusals: list[Reply] = field(default_factory=list)

    def http(self, *args: Any, **kwargs: Any) -> Reply:
        def answered() -> Reply | None:
            reply = super(ShotAt, self).http(*args, **kwargs)
            if reply.status < 500:
                return reply
            self.refusals.append(reply)
            return None

        return wait_until(answered, _CLIENTS_PATIENCE, every=0.5)


@dataclass
class Shooter:
    """Kills one worker at a time, of any function, until enough are hit."""

    cloud: Cloud
    seed: int
    kills: int
    hits: list[str] = field(default_factory=list)
    """The functions whose workers were hit, in their order."""
    _steps: list[str] = field(default_factory=list)
    _shot: set[int] = field(default_factory=set)
    _over: threading.Event = field(default_factory=threading.Event)

    def step(self, story: str) -> None:
        """Hear that a story has begun another step."""
        self._steps.append(story)

    @property
    def done(self) -> bool:
        return self._over.is_set() or len(self.hits) >= self.kills

    def stop(self) -> None:
        self._over.set()

    def shoot(self) -> None:
        dice = random.Random(self.seed)  # noqa: S311  moments, no secret
        while not self.done and not self._over.wait(dice.expovariate(1 / _PAUSE)):
            if len(self.hits) < len(self._steps) * _A_STEP:
                self._shoot_one(dice)

    def _shoot_one(self, dice: random.Random) -> None:
        """Choose a function, and shoot into what it does next: who kills an idle worker disturbs nobody."""
        functions = self.cloud.functions()
        alive = [name for name in sorted(functions) if self._workers(functions[name])]
        if alive:
            name = dice.choice(alive)
            self._await_more(name, functions[name]["invocations"])
            self._over.wait(dice.uniform(0, _INTO))
            if pids := self._workers(self.cloud.functions()[name]):
                self._kill(name, dice.choice(pids))

    def _await_more(self, name: str, invocations: int) -> None:
        end = time.monotonic() + _AIMING
        while self.cloud.functions()[name]["invocations"] == invocations and time.monotonic() < end:
            if self._over.wait(_LOOK):
                return

    def _workers(self, counts: dict[str, Any]) -> list[int]:
        return [pid for pid in counts["workers"] if pid not in self._shot]

    def _kill(self, name: str, pid: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self._shot.add(pid)
            self.hits.append(name)


@contextmanager
def shooting(cloud: Cloud, seed: int, kills: int) -> Iterator[Shooter]:
    """Shoot while the block runs; it fails with what the shooter failed with."""
    shooter = Shooter(cloud, seed, kills)
    with ThreadPoolExecutor(1) as hand:
        shots: Future[None] = hand.submit(shooter.shoot)
        shots.add_done_callback(lambda _: shooter.stop())
        try:
            yield shooter
        finally:
            shooter.stop()
        shots.result()


def cut_off(cloud: Cloud) -> dict[str, Counter[str]]:
    """Give the invocations in whose middle a worker was killed: for each function, how often by request id."""
    found = {name: Counter(_DIED.findall(_log(cloud, name))) for name in cloud.functions()}
    return {name: requests for name, requests in found.items() if requests}


def steps_failed(cloud: Cloud) -> list[str]:
    """Give the lines of steps that went wrong in a way that nobody foresaw."""
    return [line for name in cloud.functions() for line in _log(cloud, name).splitlines() if _FAILED in line]


def _log(cloud: Cloud, function: str) -> str:
    file = cloud.home / "logs" / f"{physical(cloud, function)}.log"
    return file.read_text() if file.exists() else ""
