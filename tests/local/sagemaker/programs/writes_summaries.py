"""Writes what TensorBoard reads, in the folder that it is told of."""

import json
import os
from pathlib import Path

ml = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
config = json.loads((ml / "input/config/trainingjobconfig.json").read_text())
folder = Path(config["TensorBoardOutputConfig"].get("LocalPath", ml / "output/tensorboard"))
(folder / "run").mkdir()
(folder / "run" / "events.out").write_text("a summary")
