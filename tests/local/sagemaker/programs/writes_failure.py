"""Says itself why it failed."""

import sys
from pathlib import Path

Path("/opt/ml/output/failure").write_text("the labels are upside down " + "and so on " * 200)
Path("/opt/ml/output/data/partial.txt").write_text("what there was")
sys.exit(3)
