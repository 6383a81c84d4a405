"""A person holds a pipeline, or everything: a row in the table that is read before each call that costs money.

What trains, serves or is being brought back goes on; what was about to be started waits, and says why.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chalicelib.errors import NotFoundError
from chalicelib.flows.again import until_undisturbed
from chalicelib.model import EVERYTHING, Command, Entry, Pause, RunState
from chalicelib.names import is_pipeline, run12
from chalicelib.ports import Clock, Records, Timer

_WOKEN = 100
"""Runs, and as many releases, that a resume wakes at once; the reconcile wakes the others."""
_WAKES_A_SECOND = 20
_ALL_DUE = 86_400
"""Whatever is paused is due long before."""


@dataclass(frozen=True, slots=True)
class Paused:
    """What became of an order: `pause` is what holds the scope now."""

    scope: str
    changed: bool
    pause: Pause | None

    @property
    def state(self) -> str:
        return "paused" if self.pause is not None else "running"

    @property
    def what(self) -> str:
        if self.pause is not None:
            return self.pause.told
        return "Everything goes on." if self.scope == EVERYTHING else f"The pipeline {self.scope} goes on."


class Pauses:
    def __init__(self, *, records: Records, timer: Timer, clock: Clock) -> None:
        self.records = records
        self.timer = timer
        self.clock = clock

    def pause(self, scope: str, command: Command) -> Paused:
        """Start nothing more in this scope that costs money. Paused already, it stays as it is."""
        return until_undisturbed(lambda _: self._pause(scope, command))

    def _pause(self, scope: str, command: Command) -> Paused:
        seen = self._own(scope)
        if seen is not None:
            return Paused(scope, changed=False, pause=seen)
        pause = Pause(scope, command)
        self.records.pause(pause, _entry("paused", command))
        return Paused(scope, changed=True, pause=pause)

    def resume(self, scope: str, command: Command) -> Paused:
        """Let it go on, at once where that is not too much. Where nothing is paused, what may wait is woken again."""
        seen = self._own(scope)
        changed = seen is not None and until_undisturbed(lambda _: self._unpause(seen, command))
        still = self.records.paused(scope)
        if still is None:
            self._wake(scope)
        return Paused(scope, changed=changed, pause=still)

    def _unpause(self, seen: Pause, command: Command) -> bool:
        """Take away this pause alone: one that somebody put there since stands."""
        if self._own(seen.scope) != seen:
            return False
        self.records.unpause(seen, _entry("resumed", command))
        return True

    def _own(self, scope: str) -> Pause | None:
        """Find the pause of just this scope; NotFoundError where there is no such pipeline."""
        if scope != EVERYTHING and (not is_pipeline(scope) or self.records.pipeline(scope) is None):
            raise NotFoundError(f'There is no pipeline "{scope}".')
        found = self.records.paused(scope)
        return found if found is not None and found.scope == scope else None

    def _wake(self, scope: str) -> None:
        """Wake what may wait, a few a second."""
        for number, subject in enumerate(self._all() if scope == EVERYTHING else self._of(scope)):
            self.timer.wake(subject, seconds=number // _WAKES_A_SECOND)

    def _all(self) -> Iterator[str]:
        until = self.clock() + _ALL_DUE
        yield from self.records.due("run", until, limit=_WOKEN)
        yield from self.records.due("release", until, limit=_WOKEN)

    def _of(self, pipeline: str) -> Iterator[str]:
        yield f"release:{pipeline}"
        waiting = self.records.runs(pipeline=pipeline, state=RunState.PREPARING, limit=_WOKEN)
        yield from (f"run:{run12(run.id)}" for run in waiting.items)


def _entry(what: str, command: Command) -> Entry:
    return Entry(command.at, what, {"by": command.by, "reason": command.reason})
