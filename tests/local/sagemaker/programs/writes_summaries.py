"""Writes what TensorBoard reads, in the folder that it is told of."""

import json
from pathlib import Path

config = json.loads(Path("/opt/ml/input/config/trainingjobconfig.json").read_text())
folder = Path(config["TensorBoardOutputConfig"].get("LocalPath", "/opt/ml/output/tensorboard"))
(folder / "run").mkdir()
(folder / "run" / "events.out").write_text("a summary")
