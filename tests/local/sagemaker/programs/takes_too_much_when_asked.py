"""Writes to more memory than a small cloud gives when it is asked to: to shared memory, which nobody refuses."""

import mmap
from itertools import count


def model_fn(_: str) -> None:
    return None


def transform_fn(_model: None, body: object, *_: str) -> tuple[str, str]:
    held = []
    for number in count() if "too much" in str(body) else ():
        held.append(mmap.mmap(-1, 1 << 20))
        held[number].write(b"x" * (1 << 20))
    return "little", "text/plain"
