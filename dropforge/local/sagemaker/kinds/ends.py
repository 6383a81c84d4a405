"""How jobs end, and what is said of one that did not come to its own."""

from __future__ import annotations

from dataclasses import dataclass, field

from dropforge.local.sagemaker.store import Doc

REASON_LENGTH = 1024
INTERNAL = "InternalServerError: We encountered an internal error. Please try again."
CUT_SHORT = f"{INTERNAL} The local cloud was stopped while the job ran."


class CutShortError(Exception):
    """The cloud is stopping: what the job has come to stays in the store as it is, for the next start."""


@dataclass(frozen=True, slots=True)
class End:
    """How a job, or one try of it, ended: its status, why, and what else Describe tells from now on."""

    status: str
    reason: str | None = None
    told: Doc = field(default_factory=dict)
