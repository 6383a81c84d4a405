"""A model that comes up, or breaks, when a test lets it: see tests/local/held.py. Says how it is."""

import os
import time
from pathlib import Path


def model_fn(model_dir: str) -> str:
    while not Path(model_dir, "go").exists():
        time.sleep(0.02)
    if "BREAKS" in os.environ:
        raise ValueError("this is not a model")
    return "here at last"


def transform_fn(model: str, *_: str) -> tuple[str, str]:
    return model, "text/plain"
