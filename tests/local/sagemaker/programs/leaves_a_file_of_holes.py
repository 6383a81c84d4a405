"""Leaves a model that claims to be a terabyte."""

import os
from pathlib import Path

with Path(os.environ["SM_MODEL_DIR"], "holes").open("wb") as file:
    file.truncate(1 << 40)
