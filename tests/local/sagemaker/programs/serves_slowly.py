"""Takes as long as it is told to."""

import time


def model_fn(_: str) -> None:
    return None


def transform_fn(_model: None, body: str, *_: str) -> tuple[str, str]:
    time.sleep(float(body))
    return "awake", "text/plain"
