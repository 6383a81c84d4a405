"""Loads for ever."""

import time


def model_fn(model_dir):
    time.sleep(3600)
