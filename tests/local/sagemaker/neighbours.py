"""S3 and CloudWatch Logs beside the SageMaker under test, in a process of their own; prints the port."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from dropforge.local.home import Keys
from dropforge.local.ministack import Account, Ministack
from dropforge.local.serving import Server

ACCESS, SECRET = "AKIATEST", "secret"


def main() -> None:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen(128)
    port = listening.getsockname()[1]
    ministack = Ministack(Path(sys.argv[1]), Account("000000000000", "us-east-1", port, Keys("test", "test")))
    server = Server(ministack.asgi, listening, name="neighbours", before=ministack.start)
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    sys.stdin.read()  # ends with the test session
    os._exit(0)


if __name__ == "__main__":
    main()
