"""Puts a link in the place of the pipe that will be fed next, and waits."""

import os
import sys
import time
from pathlib import Path

pipe = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"), "input/data/training_0")
pipe.unlink()
pipe.symlink_to(sys.argv[-1])
time.sleep(3600)
