"""Logs a figure, a line that some expressions never finish with, and another figure."""

import os
import sys
from pathlib import Path

Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text("solved")
sys.stdout.write("accuracy=0.5\n" + "a" * 60 + "!\naccuracy=0.75\n")
