"""Writes a file, then waits to be stopped; its output is full of what must not be followed or waited for."""

import os
import signal
import sys
import time
from pathlib import Path

out = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"), "processing/out")
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
(out / "link").symlink_to("/etc/hostname")
(out / "folder").symlink_to("/etc")
os.mkfifo(out / "pipe")
(out / "early.txt").write_text("while it runs")
print("written")  # noqa: T201 - what is to be found in the log
while True:
    time.sleep(1)
