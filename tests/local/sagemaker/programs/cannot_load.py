"""A model that is not what its code expects."""


def model_fn(model_dir):
    raise ValueError("this is not a model")
