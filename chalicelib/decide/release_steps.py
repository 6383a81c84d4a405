"""What a release may do next, each step with what it takes."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.model import Target


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing is open."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before SageMaker moves, or before that time."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Start:
    """Let the pending target meet its gate again, and make it the desired one."""


@dataclass(frozen=True, slots=True)
class Rehearse:
    """Bring up a rehearsal endpoint from the very configuration that will serve."""


@dataclass(frozen=True, slots=True)
class Test:
    """Run all smoke tests on an endpoint that serves the desired configuration."""

    endpoint: str


@dataclass(frozen=True, slots=True)
class RollOut:
    """The rehearsal passed: go on with the endpoint that clients meet."""


@dataclass(frozen=True, slots=True)
class Warn:
    """Tell clients that from now on the container alone knows which model answered."""


@dataclass(frozen=True, slots=True)
class Create:
    target: Target


@dataclass(frozen=True, slots=True)
class Update:
    """Ask, under a lease, for the endpoint to serve this target."""

    target: Target


@dataclass(frozen=True, slots=True)
class Remove:
    """Delete an endpoint that is in nobody's way to serve."""

    endpoint: str
    why: str


@dataclass(frozen=True, slots=True)
class Postpone:
    """AWS has no room for it now: try again later, or give up when the pipeline says so."""

    reason: str


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Tell clients that nothing is live."""


@dataclass(frozen=True, slots=True)
class MakeLive:
    """The desired target serves and answers."""


@dataclass(frozen=True, slots=True)
class Fail:
    """Give the desired target up; what clients meet is untouched."""

    reason: str


@dataclass(frozen=True, slots=True)
class RollBack:
    """Give the desired target up and bring the live configuration back."""

    reason: str


@dataclass(frozen=True, slots=True)
class Restore:
    """The endpoint is not what the release says is live: bring it back."""

    reason: str


@dataclass(frozen=True, slots=True)
class Restored:
    """The live configuration is back."""


@dataclass(frozen=True, slots=True)
class Tidy:
    """Clear away what a failed target left behind."""


@dataclass(frozen=True, slots=True)
class Retire:
    """No endpoint is left: delete the configurations and models, too."""


Going = Start | Rehearse | Test | Create | Warn | Postpone
"""Steps that carry a target on, or put it off."""
Outcome = RollOut | MakeLive | Fail | RollBack | Restore | Restored | Tidy | Withdraw | Retire
"""Steps that end a stage."""
Step = Rest | Wait | Remove | Update | Going | Outcome
