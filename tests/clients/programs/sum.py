"""A processing script: adds up what it is given, and leaves the sum."""

import argparse
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--times", type=float, default=1.0)
asked = parser.parse_args()

files = sorted(Path("/opt/ml/processing/input/rows").iterdir())
rows = [float(line) for file in files for line in file.read_text().split()]
print(f"{len(rows)} rows", flush=True)
Path("/opt/ml/processing/output/sum.txt").write_text(f"{sum(rows) * asked.times:g}")
