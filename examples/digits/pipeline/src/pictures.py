"""How a picture becomes numbers: the same way for training and for serving."""

import numpy as np

SIDE = 8


def features(picture):
    """Turn any picture into 64 numbers between 0 and 1: grey, 8x8, light strokes on dark ground."""
    grey = picture.convert("L").resize((SIDE, SIDE))
    return np.asarray(grey, dtype=float).ravel() / 255
