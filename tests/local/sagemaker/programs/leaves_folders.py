"""Leaves a model of several files, and links that lead out of it."""

import os
from pathlib import Path

model = Path(os.environ["SM_MODEL_DIR"])
(model / "weights" / "deep").mkdir(parents=True)
(model / "weights" / "deep" / "one.bin").write_text("1")
(model / "config.json").write_text("{}")
(model / "passwd").symlink_to("/etc/passwd")
(model / "etc").symlink_to("/etc")
