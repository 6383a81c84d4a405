"""Takes its whole process along when it is asked to."""

import os


def model_fn(_: str) -> None:
    return None


def transform_fn(_model: None, body: str, *_: str) -> tuple[str, str]:
    if "crash" in body:
        os._exit(9)
    return str(os.getpid()), "text/plain"
