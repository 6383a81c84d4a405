"""Tells the files it got, and says its name to the other host."""

import json
import os
import socket
import sys
import threading
from pathlib import Path

ml = Path("/opt/ml")
known = json.loads((ml / "config" / "resourceconfig.json").read_text())
me, other = known["current_host"], next(name for name in known["hosts"] if name != known["current_host"])
print(f"here from {me}", flush=True)  # noqa: T201 - what is to be found in the log
listening = socket.create_server(("", 8080))
if os.environ.get("FAILS") == me:
    listening.accept()  # the other one has said that it is here
    sys.exit(5)
while True:
    try:
        with socket.create_connection((other, 8080)) as said:
            said.sendall(me.encode())
        break
    except OSError:
        threading.Event().wait(0.02)
while "FAILS" in os.environ:
    threading.Event().wait(1)
with listening.accept()[0] as heard:
    seen = {
        "files": sorted(path.name for path in (ml / "processing" / "data").iterdir()),
        "hosts": known["hosts"],
        "heard": heard.recv(64).decode(),
    }
(ml / "processing" / "out" / f"{me}.json").write_text(json.dumps(seen))
(ml / "output" / "message").write_text(f"from {me}")
