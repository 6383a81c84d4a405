"""Leaves one file under two names, as programs do that keep their best checkpoint."""

import os
from pathlib import Path

model = Path(os.environ["SM_MODEL_DIR"])
(model / "step-7.bin").write_text("weights")
(model / "best.bin").hardlink_to(model / "step-7.bin")
with Path(os.environ["SM_OUTPUT_DATA_DIR"], "holes.bin").open("wb") as file:
    file.truncate(1 << 40)
