"""What a run may do next: the steps that its decisions give, and its flow carries out."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.model import Command, Entry, Run
from chalicelib.ports import TrainingJob


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing is open any more."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before SageMaker moves; `run` carries what was seen. Looked at again by itself at `until`."""

    run: Run
    until: float | None = None


@dataclass(frozen=True, slots=True)
class GoOn:
    """One call was not enough: `run` says how far it came, and the next goes on at once."""

    run: Run


@dataclass(frozen=True, slots=True)
class StartTraining:
    job: TrainingJob


@dataclass(frozen=True, slots=True)
class StopTraining:
    """The job is to cost nothing further: a person stopped the run, or no dataset holds it. `run` says it was us."""

    job: str
    run: Run


@dataclass(frozen=True, slots=True)
class Move:
    """Remember the run in its new state."""

    run: Run
    entry: Entry


@dataclass(frozen=True, slots=True)
class Register:
    labels: tuple[str, ...]
    why: str
    """Why the gate let it pass."""
    manual: bool = False
    """Whether a person has to approve it."""


@dataclass(frozen=True, slots=True)
class NoRoom:
    """SageMaker had no machines for the job: another attempt follows, when that is due. `run` carries what was seen."""

    run: Run
    reason: str


@dataclass(frozen=True, slots=True)
class Decide:
    """Tell SageMaker what a person decided of a package."""

    package: str
    approved: bool
    note: str


@dataclass(frozen=True, slots=True)
class LetIn:
    """A person approved the model: it may go to its release, as theirs."""

    command: Command


Step = Rest | Wait | GoOn | StartTraining | StopTraining | Move | Register | NoRoom | Decide | LetIn
