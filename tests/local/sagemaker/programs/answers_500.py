"""Loads, answers its pings, and fails at each request."""


def model_fn(_: str) -> None:
    return None


def transform_fn(*_: object) -> None:
    raise RuntimeError("the model has forgotten everything")
