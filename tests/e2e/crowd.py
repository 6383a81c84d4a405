"""Clients that keep asking a model while something happens to it, and remember every answer."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from tests.e2e.conftest import Cloud
from tests.e2e.pipelines import PIXEL

CLIENTS = 8
_PATIENCE = 60


class Answered(NamedTuple):
    """One request: when it was sent, and what came back; `label` and `run` are empty where no prediction did."""

    sent: float
    status: int
    label: str
    run: str
    body: str


@dataclass
class Crowd:
    """Eight clients, each with a connection of its own, asking from the block's beginning to its end."""

    cloud: Cloud
    model: str
    answers: list[Answered] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._threads = [threading.Thread(target=self._ask_on, daemon=True) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(_PATIENCE)

    def asked(self, count: int, *, since: float = 0) -> bool:
        """Tell whether so many requests that were sent after a moment have been answered."""
        return sum(answer.sent >= since for answer in list(self.answers)) >= count

    def tally(self) -> Counter[tuple[int, str, str]]:
        """Count the answers by status, label and run."""
        return Counter((answer.status, answer.label, answer.run) for answer in self.answers)

    def labels(self, *, since: float = 0) -> set[str]:
        return {answer.label for answer in self.answers if answer.sent >= since}

    def failures(self) -> list[Any]:
        """Give every request that was not answered with a prediction."""
        return [*self.troubles, *(answer for answer in self.answers if answer.status != 200)]

    def _ask_on(self) -> None:
        url = urlsplit(self.cloud.api)
        connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=_PATIENCE)
        headers = {"x-api-key": self.cloud.api_key, "Content-Type": "image/png"}
        try:
            while not self._over.is_set():
                sent = time.monotonic()
                connection.request("POST", f"{url.path}/v1/models/{self.model}/predict", PIXEL, headers)
                reply = connection.getresponse()
                self.answers.append(_read(sent, reply.status, reply.read()))
        except (OSError, http.client.HTTPException) as error:
            self.troubles.append(repr(error))
        finally:
            connection.close()


def _read(sent: float, status: int, body: bytes) -> Answered:
    if status != 200:
        return Answered(sent, status, "", "", body.decode(errors="replace"))
    told = json.loads(body)
    return Answered(sent, status, str(told["results"][0]["predictions"][0]["label"]), str(told["model"]["run"]), "")
