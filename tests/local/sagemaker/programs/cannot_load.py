"""A model that is not what its code expects."""


def model_fn(_: str) -> None:
    raise ValueError("this is not a model")
