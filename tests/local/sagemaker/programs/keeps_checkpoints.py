"""Counts on from its checkpoint, one step at each start, says how far it is, and waits to be asked to end."""

import os
import signal
import sys
from pathlib import Path

folder = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"), "checkpoints")
found = sorted(folder.iterdir())
step = int(found[-1].read_text()) + 1 if found else 1


def end(*_: object) -> None:
    (folder / "asked.txt").write_text(str(step))
    sys.exit(0)


signal.signal(signal.SIGTERM, end)
(folder / f"{step:04}.txt").write_text(str(step))
(folder / "link.txt").symlink_to("/etc/passwd") if step == 1 else None
sys.stdout.write(f"step {step}\n")
sys.stdout.flush()
if step >= int(sys.argv[-1]):
    Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text(f"of step {step}")
    sys.exit(0)
signal.pause()
