"""Puts links in the place of what will be read when it has ended."""

import shutil
import sys
from pathlib import Path

outside = sys.argv[-1]
shutil.rmtree("/opt/ml/model")
Path("/opt/ml/model").symlink_to(outside)
Path("/opt/ml/output/data/secret.txt").symlink_to(outside + "/secret.txt")
Path("/opt/ml/output/failure").symlink_to(outside + "/secret.txt")
sys.exit(1 if "--fail" in sys.argv else 0)
