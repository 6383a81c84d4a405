"""How a picture becomes numbers: the same way for training and for serving."""

import numpy as np

SIDE = 8


def pixels(picture):
    """Turn any picture into 64 numbers between 0 and 1: grey, 8x8, light strokes on dark ground."""
    grey = picture.convert("L").resize((SIDE, SIDE))
    return np.asarray(grey, dtype=float).ravel() / 255


def likeness(pictures, examples, sharpness):
    """Say how much each picture is like each example, from 0 to 1: one row a picture."""
    distances = (pictures**2).sum(1)[:, None] + (examples**2).sum(1) - 2 * pictures @ examples.T
    return np.exp(-sharpness * distances)
