"""Every story that is told: each goes through all single faults, schedules, stalls and pairs."""

from __future__ import annotations

from tests.proof.orders import ORDERED
from tests.proof.shortages import SHORT
from tests.proof.starts import STARTED
from tests.proof.stories import STORIES

ALL = (*STORIES, *ORDERED, *STARTED, *SHORT)
DRAWN = tuple(story for story in (*STORIES, *STARTED, *SHORT) if not story.needs_events)
"""Those that are also played under schedules which are drawn."""
