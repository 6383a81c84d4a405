"""ministack in a process of its own, for tests that kill it; prints the port. With `saves` it takes snapshots, too."""

from __future__ import annotations

import os
import socket
import sys
from functools import partial
from pathlib import Path

from dropforge.local.home import Keys
from dropforge.local.ministack import Account, Ministack
from dropforge.local.serving import Server


def main() -> None:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen(128)
    port = listening.getsockname()[1]
    ministack = Ministack(Path(sys.argv[1]), Account("000000000000", "us-east-1", port, Keys("test", "test")))
    beside = partial(ministack.keep_saving, pause=0) if "saves" in sys.argv else None
    Server(ministack.asgi, listening, name="killed", before=ministack.start, beside=beside).start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    sys.stdin.read()  # ends with whoever started it
    os._exit(0)


if __name__ == "__main__":
    main()
