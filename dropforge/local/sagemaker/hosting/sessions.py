"""Sessions that a container has opened: their requests go to the server that opened them, until either has ended."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from datetime import datetime

from dropforge.local.sagemaker.hosting.fleet import Fleet
from dropforge.local.sagemaker.hosting.serving import Server

NEW = "NEW_SESSION"
_MOST = 10_000


class Sessions:
    """The last of them; who opens very many loses the oldest."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: OrderedDict[tuple[str, str], tuple[float, tuple[Fleet, Server]]] = OrderedDict()

    def find(self, endpoint: str, name: str) -> tuple[Fleet, Server] | None:
        """Give who has a session open; None where nobody has, or it has expired."""
        with self._lock:
            expires, at = self._open.get((endpoint, name), (0.0, None))
        return at if time.time() < expires else None

    def heard(self, endpoint: str, opened: str | None, closed: str | None, at: tuple[Fleet, Server]) -> None:
        """Note what a container says of sessions: `opened` is a name and, after a semicolon, when it ends."""
        if opened is None and closed is None:
            return
        with self._lock:
            if opened is not None:
                name, _, told = opened.partition(";")
                self._open[endpoint, name.strip()] = (_expires(told), at)
            if closed is not None:
                self._open.pop((endpoint, closed), None)
            while len(self._open) > _MOST:
                self._open.popitem(last=False)


def _expires(told: str) -> float:
    """Read `Expires=2030-01-01T00:00:00Z`; what cannot be read sets no end."""
    try:
        return datetime.strptime(told.strip(), "Expires=%Y-%m-%dT%H:%M:%S%z").timestamp()
    except ValueError:
        return math.inf
