"""How what is paused waits: it says so, and looks again by itself, so that a wake-up that is lost costs minutes."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.decide.run_steps import Move
from chalicelib.model import Entry, Pause, Run

LOOK_AGAIN = 300.0
"""Seconds until something paused looks again by itself."""
_MOST = 3600.0


def look_again(pause: Pause, now: float) -> float:
    """Say after how many seconds to look again: the more rarely the longer it is paused.

    A thousand runs that wait for days must not crowd what is due.
    """
    return min(max((now - pause.command.at) / 8, LOOK_AGAIN), _MOST)


def hold(run: Run, pause: Pause, now: float) -> Move:
    """Leave a run where it is, saying why."""
    held = replace(run, reason=pause.told, due=now + look_again(pause, now))
    return Move(held, Entry(now, "held", {"reason": pause.told}))


def is_told(run: Run, pause: Pause) -> bool:
    """Tell whether the run says so already."""
    return run.reason == pause.told
