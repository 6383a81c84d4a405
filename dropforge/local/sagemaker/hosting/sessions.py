"""Sessions that a container has opened: their requests go to the server that opened them, as long as it is there."""

from __future__ import annotations

import threading
from collections import OrderedDict

from dropforge.local.sagemaker.hosting.fleet import Fleet
from dropforge.local.sagemaker.hosting.serving import Server

NEW = "NEW_SESSION"
_MOST = 10_000


class Sessions:
    """The last of them; who opens very many loses the oldest."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: OrderedDict[tuple[str, str], tuple[Fleet, Server]] = OrderedDict()

    def find(self, endpoint: str, name: str) -> tuple[Fleet, Server] | None:
        with self._lock:
            return self._open.get((endpoint, name))

    def heard(self, endpoint: str, opened: str | None, closed: str | None, at: tuple[Fleet, Server]) -> None:
        """Note what a container says of sessions: `opened` is a name and, after a semicolon, when it ends."""
        if opened is None and closed is None:
            return
        with self._lock:
            if opened is not None:
                self._open[endpoint, opened.partition(";")[0].strip()] = at
            if closed is not None:
                self._open.pop((endpoint, closed), None)
            while len(self._open) > _MOST:
                self._open.popitem(last=False)
