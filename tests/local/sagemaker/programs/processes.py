"""Copies its input to its output in capitals, and tells what it sees."""

import json
import os
import sys
from pathlib import Path

ml = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
print("arguments", *sys.argv[1:])  # noqa: T201 - what is to be found in the log
for path in (ml / "processing" / "data").rglob("*.txt"):
    (ml / "processing" / "out" / path.name).write_text(path.read_text().upper())
below = ml / "processing" / "out" / "deep" / "er"
below.mkdir(parents=True)
seen = {
    "environment": dict(os.environ),
    "config": {path.name: json.loads(path.read_text()) for path in (ml / "config").iterdir()},
    "files": sorted(str(path.relative_to(ml / "processing")) for path in (ml / "processing").rglob("*")),
}
(below / "seen.json").write_text(json.dumps(seen))
(ml / "output" / "message").write_text("all in capitals")
sys.exit(int(os.environ.get("EXIT", "0")))
