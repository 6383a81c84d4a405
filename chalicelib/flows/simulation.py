"""What would be decided, called and named, and none of it done: the flows' own code over a world that keeps to itself.

Only our own waits are gone through, as if nothing else happened meanwhile: a folder that settles, a wake-up under way.
What SageMaker would be asked for has begun in the simulation, and goes no further.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO

from aws_lambda_powertools import Logger

from chalicelib.decide.keys import folder
from chalicelib.errors import DropforgeError, InvalidError, NotFoundError
from chalicelib.events import Heard, Ticked
from chalicelib.flows import triggers
from chalicelib.flows.listing import lying
from chalicelib.model import Dataset, DatasetId, PipelineRecord, Release, Run, RunState
from chalicelib.names import is_pipeline, is_run, run12
from chalicelib.ports import Records
from chalicelib.simulated import Journal, SimulatedWorld, SimulationEnd
from chalicelib.simulated.journal import Kept
from chalicelib.wiring import Flows, Ports

FOLLOWED = 12
"""Wake-ups gone through in one simulation; of one subject, three."""
LOOKS = 3
_ALL, _SOON, _AT_ONCE = 900, 60, 0

log = Logger(service="dropforge", child=True)


@dataclass(frozen=True, slots=True)
class Step:
    """One look at something, and how it would stand after it."""

    at: float
    about: str
    says: str


@dataclass(frozen=True, slots=True)
class Simulated:
    """What a simulation found; `ended` says why it goes no further than it does."""

    of: str
    journal: Journal
    steps: tuple[Step, ...]
    ended: str | None = None


@dataclass(slots=True)
class Simulation:
    """One simulation: a fresh world over the real one, and what was looked at in it."""

    real: Ports
    journal: Journal = field(init=False)
    flows: Flows = field(init=False)
    steps: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.journal = Journal(self.real.clock)
        self.flows = Flows(SimulatedWorld(self.real, self.journal))

    def event(self, heard: Heard) -> Simulated:
        """Hand an event in, as the function that it triggers would."""
        reach = _AT_ONCE if isinstance(heard, Ticked) else _ALL

        def begin() -> None:
            self._act(heard.kind, lambda: triggers.hand_on(self.flows, heard))

        return self._carry_out(f"event: {heard.kind}", begin, reach)

    def dataset(self, dataset: DatasetId) -> Simulated:
        """Look at a dataset, and at what becomes of it: its run, and its release."""
        subject = f"dataset:{dataset}"
        return self._carry_out(subject, lambda: self._look_at_dataset(dataset, subject), _ALL)

    def run(self, run: str) -> Simulated:
        found = self._records.run(run) if is_run(run) else None
        if found is None:
            raise NotFoundError(f'There is no run "{run}".')
        subject = f"run:{run12(found.id)}"
        return self._carry_out(subject, lambda: self._look_at_run(found.id), _SOON)

    def release(self, pipeline: str) -> Simulated:
        if not is_pipeline(pipeline) or self._records.release(pipeline) is None:
            raise NotFoundError(f'The pipeline "{pipeline}" has released nothing.')
        return self._carry_out(f"release:{pipeline}", lambda: self._look(f"release:{pipeline}"), _SOON)

    def pipeline(self, name: str) -> Simulated:
        if not is_pipeline(name) or self._records.pipeline(name) is None:
            raise NotFoundError(f'There is no pipeline "{name}".')
        return self._carry_out(f"pipeline:{name}", lambda: self._look(f"pipeline:{name}"), _ALL)

    def _carry_out(self, of: str, begin: Callable[[], None], reach: float) -> Simulated:
        ended: str | None = None
        with _apart():
            try:
                begin()
                self._follow(reach)
            except SimulationEnd as end:
                ended = str(end)
                self._tell_unfinished(of)
        return Simulated(of, self.journal, tuple(self.steps), ended)

    def _look_at_dataset(self, dataset: DatasetId, subject: str) -> None:
        if self._records.dataset(dataset) is None:
            there = [*lying(self.flows.world.bucket, dataset)]
            if not there:
                raise NotFoundError(f"Nothing lies under {folder(dataset)}, and no dataset is known by that name.")
            self._act(subject, lambda: triggers.arrive(self.flows, there))
        else:
            self._look(subject)
        self._follow(_ALL)
        found = self._records.dataset(dataset)
        if found is not None and found.run is not None:
            self._look_at_run(found.run)

    def _look_at_run(self, run: str) -> None:
        """Look at a run, unless that was done on the way here; and at its release, once it is registered."""
        self._look(f"run:{run12(run)}")
        found = self._records.run(run)
        if found is not None and found.state is RunState.REGISTERED and self._records.release(found.pipeline):
            self._look(f"release:{found.pipeline}")

    def _follow(self, reach: float) -> None:
        """Go through the wake-ups that would arrive within reach, in their order."""
        looked = Counter(step.about for step in self.steps)
        while (found := self._next_wake(reach, looked)) is not None and len(self.steps) < FOLLOWED:
            at, subject = found
            looked[subject] += 1
            self.journal.go_ahead_to(at)
            self._look(subject)

    def _next_wake(self, reach: float, looked: Counter[str]) -> tuple[float, str] | None:
        """Take the next wake-up out; those too far away, or of what was looked at often enough, are left to come."""
        waiting, self.journal.wakes = sorted(self.journal.wakes), []
        last = self.journal.clock() + reach
        for place, (at, subject) in enumerate(waiting):
            soon = at <= (last if not subject.startswith("run:") else self.journal.clock())
            if soon and looked[subject] < LOOKS:
                self.journal.wakes = waiting[place + 1 :]
                return at, subject
        return None

    def _look(self, subject: str) -> None:
        self._act(subject, lambda: self.flows.reconcile.advance(subject))
        timer = getattr(self._find(subject), "timer", None)
        if timer is not None and timer > self.journal.clock() and subject not in {it for _, it in self.journal.wakes}:
            self.journal.wakes.append((timer, subject))  # it is under way in the real world

    def _act(self, about: str, step: Callable[[], bool | None]) -> None:
        """Take one step (True: it would come again), and note how what it was about would stand then."""
        at = self.journal.clock()
        try:
            again = step()
        except InvalidError:
            raise  # what was asked for cannot be read: no step of anything
        except DropforgeError as error:
            how = "fails, and would come again" if error.retryable else "fails"
            self.steps.append(Step(at, about, f"{how}: {error.message}"))
            return
        self.steps.append(Step(at, about, "fails, and would come again" if again else self._say(about)))

    def _tell_unfinished(self, of: str) -> None:
        if not self.steps:
            self.steps.append(Step(self.journal.clock(), of, "could not be looked at to its end"))

    def _say(self, about: str) -> str:
        try:
            found = self._find(about)
        except SimulationEnd:
            return "is not looked at any more"
        if found is not None:
            return say(found)
        return "handed on" if self.journal.acts else "nothing would come of it"

    def _find(self, subject: str) -> Kept | None:
        kind, _, name = subject.partition(":")
        match kind:
            case "dataset":
                pipeline, _, dataset = name.partition("/")
                return self._records.dataset(DatasetId(pipeline, dataset))
            case "run":
                return self._records.run(name)
            case "release":
                return self._records.release(name)
            case "pipeline":
                return self._records.pipeline(name)
            case _:
                return None

    @property
    def _records(self) -> Records:
        return self.flows.world.records


def say(item: Kept) -> str:
    """Tell how an item stands, in a few words."""
    match item:
        case Dataset():
            run = f" as run {run12(item.run)}" if item.run and item.state == "sealed" else ""
            return f"{item.state}{run}" + _because(item.reason or item.waiting)
        case Run():
            job = f", {item.candidate.job} is {item.candidate.status or 'asked for'}" if item.candidate else ""
            return f"{item.state}{job}" + _because(item.reason)
        case Release():
            waits = f", {item.pending.model} waits" if item.pending else ""
            return f"{item.stage}{waits}"
        case PipelineRecord():
            return item.state + _because(item.problem)


@contextmanager
def _apart() -> Iterator[None]:
    """Mark the log's lines, and let no figure reach stdout: CloudWatch would count what never happened."""
    with log.append_context_keys(simulated=True), redirect_stdout(StringIO()):
        yield


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""
