"""Tells a figure that is best at place = 0.3 with the kind "good"; may fail, tell nothing, or wait to be stopped."""

import argparse
import os
import signal
import sys
import time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--place", type=float, default=0.0)
parser.add_argument("--kind", default="good")
parser.add_argument("--mode", default="tell")
given = parser.parse_args()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
if given.mode == "fail":
    sys.exit(1)
if given.mode == "tell":
    print(f"score={1 - (given.place - 0.3) ** 2 - (given.kind != 'good'):.6f}")  # noqa: T201 - where figures are read
    Path(os.environ["SM_MODEL_DIR"], "x.txt").write_text(str(given.place))
print("here")  # noqa: T201 - what is to be found in the log
while given.mode == "wait":
    time.sleep(1)
