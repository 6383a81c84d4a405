"""Fails on the second host; the others wait until they are asked to end, and say so."""

import os
import signal
import sys
from pathlib import Path

mark = Path(os.environ["SM_OUTPUT_DATA_DIR"])


def end(*_: object) -> None:
    (mark / f"{os.environ['SM_CURRENT_HOST']}.txt").write_text("asked to end")
    sys.exit(0)


signal.signal(signal.SIGTERM, end)
if os.environ["SM_CURRENT_HOST"] == "algo-2":
    Path("/opt/ml/output/failure").write_text("the second host is tired")
    sys.exit(7)
signal.pause()
