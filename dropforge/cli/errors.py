"""What a command ends with. Every error is one sentence: what is wrong, where, and what to do."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    OK = 0
    TROUBLE = 1
    """The cloud cannot be reached, or answered with an error."""
    USAGE = 2
    REFUSED = 3
    FAILED = 4
    REJECTED = 5
    TIMED_OUT = 6
    INTERRUPTED = 130


class CliError(Exception):
    """A command cannot do what it was asked; the message is the one sentence shown."""

    exit = Exit.TROUBLE


class UsageError(CliError):
    """The command was called wrongly, or what it names does not exist."""

    exit = Exit.USAGE


class RefusedError(CliError):
    """A dataset or a pipeline was refused before anything was spent."""

    exit = Exit.REFUSED


class FailedError(CliError):
    """A run failed, or its release did."""

    exit = Exit.FAILED


class RejectedError(CliError):
    """A run's model did not pass its gate."""

    exit = Exit.REJECTED


class TimedOutError(CliError):
    """What was waited for did not come in time."""

    exit = Exit.TIMED_OUT
