"""What a user types, called in this process: starting Python and its libraries anew costs a second each time."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dropforge.cli.command import end
from dropforge.cli.main import app


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    err: str


def dropforge(words: Sequence[str], environment: Mapping[str, str]) -> Ended:
    """Call `dropforge` with this environment and nothing else, its output in pipes."""
    out, err, kept, argv = io.StringIO(), io.StringIO(), dict(os.environ), sys.argv
    code: object = 0
    try:
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = ["dropforge", *words]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            end(app)
    except SystemExit as ended:
        code = ended.code or 0
    finally:
        os.environ.clear()
        os.environ.update(kept)
        sys.argv = argv
    assert isinstance(code, int), code
    return Ended(code, out.getvalue(), err.getvalue())
