"""Puts links in the place of what will be read when it has ended."""

import os
import shutil
import sys
from pathlib import Path

outside, ml = sys.argv[-1], Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
shutil.rmtree(ml / "model")
(ml / "model").symlink_to(outside)
(ml / "output/data/secret.txt").symlink_to(outside + "/secret.txt")
(ml / "output/failure").symlink_to(outside + "/secret.txt")
sys.exit(1 if "--fail" in sys.argv else 0)
