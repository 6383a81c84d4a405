"""Doing a step again, where somebody else wrote first what it had gathered."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from chalicelib.errors import ConflictError

TRIES = 8
"""How often one call gathers again before its event has to come again."""
_FIRST, _LONGEST = 0.1, 0.5
"""Seconds; a step takes about the first, and a person may be waiting for the answer, or a queue for many of them."""

Result = TypeVar("Result")


def until_undisturbed(step: Callable[[bool], Result], tries: int = TRIES) -> Result:
    """Do a step, gathering again at each ConflictError; after so many tries that rises.

    The step is told whether it was disturbed before: a status it wrote for a save that then failed must be told again.
    """
    for tried in range(tries - 1):
        try:
            return step(tried > 0)
        except ConflictError:
            pause(tried + 1)
    return step(tries > 1)


def step_by_step(step: Callable[[], bool], *, steps: int, tries: int = TRIES) -> None:
    """Take steps while one says that another may follow; ConflictError where others kept changing what they gather."""
    conflicts = 0
    for _ in range(steps):
        try:
            if not step():
                return
        except ConflictError:
            conflicts += 1
            if conflicts >= tries:
                raise
            pause(conflicts)


def pause(conflicts: int) -> None:
    """Wait for a random time, longer after each conflict: two that went on in step would meet at every one.

    The bounds grow as in the "full jitter" of "Exponential Backoff And Jitter", AWS Architecture Blog.
    """
    longest = min(_LONGEST, _FIRST * 2.0 ** (conflicts - 1))
    time.sleep(random.uniform(0, longest))  # noqa: S311  a time, no secret
