"""Trains nothing: leaves in its model what it found around itself."""

import json
import os
import socket
import sys
from pathlib import Path

ml = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
try:
    address = socket.gethostbyname("algo-1")
except OSError:
    address = "nobody's"
Path(os.environ["SM_MODEL_DIR"], "seen.json").write_text(
    json.dumps(
        {
            "arguments": sys.argv[1:],
            "environment": dict(os.environ),
            "config": {path.stem: json.loads(path.read_text()) for path in (ml / "input" / "config").iterdir()},
            "files": sorted(
                str(path.relative_to(ml / "input" / "data")) for path in (ml / "input" / "data").rglob("*")
            ),
            "root": sorted(path.name for path in Path("/").iterdir()),
            "processes": sorted(path.name for path in Path("/proc").glob("[0-9]*")),
            "host": [socket.gethostname(), address],
            "path": sys.path,
        }
    )
)
Path(os.environ["SM_OUTPUT_DATA_DIR"], "report.txt").write_text("as seen")
