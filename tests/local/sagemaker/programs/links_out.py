"""Puts links in the place of what will be read when it has ended."""

import os
import shutil
import sys

outside = sys.argv[-1]
shutil.rmtree("/opt/ml/model")
os.symlink(outside, "/opt/ml/model")
os.symlink(outside + "/secret.txt", "/opt/ml/output/data/secret.txt")
os.symlink(outside + "/secret.txt", "/opt/ml/output/failure")
sys.exit(1 if "--fail" in sys.argv else 0)
