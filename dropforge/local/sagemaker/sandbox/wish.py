"""Whether somebody wants programs without walls, as on a machine that allows none: for tests of such machines."""

from __future__ import annotations

import os

VARIABLE = "DROPFORGE_SANDBOX"


def is_plain() -> bool:
    return os.environ.get(VARIABLE) == "plain"
