"""What a command needs and may lack: the local cloud's packages are an extra, and tests may have none at all."""

from __future__ import annotations

from importlib.util import find_spec

from dropforge.cli.errors import UsageError

SAGEMAKER = ("ministack", "uvicorn", "h11")
CLOUD = (*SAGEMAKER, "chalice", "samtranslator", "aws_lambda_powertools")


def require(*packages: str) -> None:
    """Raise UsageError, which says how to install them, unless all are here."""
    if missing := [name for name in packages if find_spec(name) is None]:
        raise UsageError(advice(*missing))


def advice(*missing: str) -> str:
    return (
        f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed here: "
        "`pip install '/path/to/clone[local]'` brings all that a local cloud needs; "
        "tests name the dropforge of another environment by dropforge_command."
    )
