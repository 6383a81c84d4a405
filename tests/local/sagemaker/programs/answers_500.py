"""Loads, answers its pings, and fails at each request."""


def model_fn(model_dir):
    return None


def transform_fn(model, body, content_type, accept):
    raise RuntimeError("the model has forgotten everything")
