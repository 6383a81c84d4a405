"""Takes as long as it is told to."""

import time


def model_fn(model_dir):
    return None


def transform_fn(model, body, content_type, accept):
    time.sleep(float(body))
    return "awake", "text/plain"
