"""S3, Logs, STS and SageMaker on one port, in a process of their own; prints the port, ends when stdin does.

`python -m tests.clients.served HOME [REPOSITORY=FOLDER …]`: the folders stand in for images, beside our own.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from dropforge.local.clients import Clients
from dropforge.local.front import Front
from dropforge.local.home import ACCOUNT, REGION, Keys
from dropforge.local.ministack import Account, Ministack
from dropforge.local.sagemaker import SageMaker
from dropforge.local.sagemaker.images import STAND_INS
from dropforge.local.serving import Server

KEYS = Keys("test", "test")
_SPEED = 0.05


def main() -> None:
    home, *named = sys.argv[1:]
    images = {name: Path(folder) for name, _, folder in (each.partition("=") for each in named)}
    server, sagemaker = serve(Path(home), images)
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    sys.stdin.read()  # ends with the tests, however they end
    sagemaker.stop()
    os._exit(0)


def serve(home: Path, images: Mapping[str, Path]) -> tuple[Server, SageMaker]:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen(128)
    port = listening.getsockname()[1]
    home.mkdir(parents=True, exist_ok=True)
    ministack = Ministack(home, Account(ACCOUNT, REGION, port, KEYS))
    front = Front(ministack.asgi)
    sagemaker = SageMaker(
        home,
        client=Clients(f"http://127.0.0.1:{port}", KEYS),
        emit=lambda kind, detail, resources: ministack.emit("aws.sagemaker", kind, detail, resources),
        speed=_SPEED,
        account=ACCOUNT,
        region=REGION,
        known={**STAND_INS, **images},
    )
    front.mount("sagemaker", sagemaker.asgi)
    server = Server(front.asgi, listening, name="clients", before=ministack.start)
    server.start()
    sagemaker.start()
    return server, sagemaker


if __name__ == "__main__":
    main()
