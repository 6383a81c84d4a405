"""Which Chalice project a local cloud runs: it is no part of the installed package, so it has to be found."""

from __future__ import annotations

from pathlib import Path

_NEEDED = ("app.py", ".chalice/config.json")
_BESIDE = Path(__file__).resolve().parents[2]
"""The checkout, where this package is imported out of one."""


class NoProjectError(Exception):
    """There is no project that a cloud could run."""


def find(given: Path | None, beside: Path = _BESIDE) -> Path:
    """Find the project: the one that is given, else this folder, else the checkout that this package lies in."""
    here = given.resolve() if given else Path.cwd()
    for place in (here,) if given else (here, beside):
        if all((place / name).is_file() for name in _NEEDED):
            return place
    raise NoProjectError(
        f"{here} is no checkout of Dropforge ({' and '.join(_NEEDED)} are not there): `dropforge up` runs the app of "
        "one; start it there, or name it with --project. SageMaker alone, `dropforge sagemaker`, needs none."
    )
