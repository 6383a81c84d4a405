"""Fails on the second host as soon as the two others have called it; they wait to be asked to end, and say so."""

import os
import signal
import socket
import sys
import time
from pathlib import Path

mark = Path(os.environ["SM_OUTPUT_DATA_DIR"])


def end(*_: object) -> None:
    (mark / f"{os.environ['SM_CURRENT_HOST']}.txt").write_text("asked to end")
    sys.exit(0)


signal.signal(signal.SIGTERM, end)
if os.environ["SM_CURRENT_HOST"] == "algo-2":
    server = socket.create_server(("algo-2", 9000))
    for _ in range(2):
        server.accept()
    Path("/opt/ml/output/failure").write_text("the second host is tired")
    sys.exit(7)
while True:
    try:
        calling = socket.create_connection(("algo-2", 9000), 5)
        break
    except ConnectionRefusedError:
        time.sleep(0.05)
signal.pause()
