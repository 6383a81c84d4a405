"""What all orders of a person have alike: what they may be answered, and that each comes after all that is. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chalicelib.decide.proposal import standing
from chalicelib.model import Command, Release, Target
from chalicelib.names import run12

_NEXT = 0.001
"""Seconds between an order and the one after it, where their clocks say no such thing."""


@dataclass(frozen=True, slots=True)
class Already:
    what: str


@dataclass(frozen=True, slots=True)
class Refuse:
    why: str


def wanted_by(target: Target, command: Command, cause: str) -> Target:
    """Make a target a person's: newer than all others, and past its gate by hand."""
    return replace(target, order=(command.at, command.at), by=command.by, cause=cause, generation=0)


def newest(release: Release | None, command: Command) -> Command:
    """Date an order after all that stands: who dated that, a person or a drop, may have had a clock that is ahead."""
    if release is None:
        return command
    known = [target.order[0] for target in standing(release)]
    known += [release.undeployed.at] if release.undeployed is not None else []
    return later_than(known, command)


def later_than(known: Sequence[float], command: Command) -> Command:
    """Date an order after these moments, which it was given after."""
    return replace(command, at=max([command.at, *(at + _NEXT for at in known)]))


def clear_failures(release: Release, run: str) -> Release:
    """Forget what the release refused of a run: a person wants it tried again."""
    kept = {digest: why for digest, why in release.failed.items() if not digest.endswith(f"-{run12(run)}")}
    return replace(release, failed=kept)
