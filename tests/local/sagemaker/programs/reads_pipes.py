"""Reads so many epochs of a channel from its pipes, each to its end, and leaves in its model what came through them."""

import os
import sys
from pathlib import Path

name, epochs = sys.argv[2], int(sys.argv[4])
ml, model = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")), Path(os.environ["SM_MODEL_DIR"])
data = ml / "input/data"
(model / "before.txt").write_text("\n".join(sorted(path.name for path in data.iterdir())))
for epoch in range(epochs):
    with (data / f"{name}_{epoch}").open("rb") as pipe, (model / f"{epoch}.bin").open("wb") as out:
        while part := pipe.read(1 << 16):
            out.write(part)
    (ml / "output/data" / f"{epoch}.txt").write_text("read to its end")
