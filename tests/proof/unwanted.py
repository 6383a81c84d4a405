"""Jobs that trained on though nobody wanted them any more: what a run's timeline says, beside what SageMaker did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from chalicelib.model import Entry
from tests.proof.cloud.sagemaker import Job

SOON = 1800.0
"""Seconds in which a job has ended that is to stop, whoever died, stood still for 14 minutes or had a wrong clock."""
_UNWANTED = frozenset({"stop asked for", "superseded"})
_WANTED = ("wanted again", "trying again", "retr")


def trained_on(lines: Sequence[Entry], jobs: Iterable[Job]) -> Iterator[str]:
    """Name the jobs of one run that trained for longer than that after nobody wanted them; all of them have ended."""
    for number, line in enumerate(lines):
        if line.what not in _UNWANTED:
            continue
        until = next((later.at for later in lines[number:] if later.what.startswith(_WANTED)), float("inf"))
        for job in jobs:
            seconds = min(job.ended or job.moves, until) - max(job.made, line.at)
            if seconds > SOON:
                yield f"{job.name} trained for {seconds:.0f} seconds after its run was told: {line.what}"
