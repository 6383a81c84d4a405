"""Answers when a test lets it, and writes a line when it begins to wait: see tests/local/held.py."""

import time
from pathlib import Path


def model_fn(model_dir: str) -> str:
    return model_dir


def transform_fn(model_dir: str, *_: str) -> tuple[str, str]:
    while not Path(model_dir, "go").exists():
        time.sleep(0.02)
    return "awake", "text/plain"
