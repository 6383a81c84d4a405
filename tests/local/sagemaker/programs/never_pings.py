"""Loads for ever."""

import time


def model_fn(_: str) -> None:
    time.sleep(3600)
