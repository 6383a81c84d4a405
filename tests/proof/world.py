"""The functions as Lambda runs them, the events on their way to them, and time: all in the hand of a test."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from chalicelib import deliver, events, sending, wiring
from chalicelib.errors import DropforgeError
from chalicelib.wiring import Aws, Flows
from tests.app import raw
from tests.fakes import world as fakes
from tests.proof.cloud.account import Account
from tests.proof.cloud.mail import Message
from tests.proof.cloud.wire import Call, CrashError

ELSEWHERE = "elsewhere"
"""A bucket of others that may be read."""
SETTINGS = replace(fakes.SETTINGS, sources=(ELSEWHERE,))
TICK = 60.0
LATENCY = 0.2
"""Seconds that an event takes when nothing is the matter."""
DAY = 86_400.0
PATIENCE = 4.5 * DAY
"""Seconds after which everything must have come to rest: an event that is two days late may call for another."""
QUIET_TICKS = 3
"""How often the schedule comes once more when all is done."""
_KINDS = {
    "SageMaker Training Job State Change": "job",
    "SageMaker Endpoint State Change": "endpoint",
    "SageMaker Model Package State Change": "package",
    "Dropforge Run Requested": "run-requested",
}
_AGAIN = {"uploads": (90.0, 5), "wake": (360.0, 5)}
"""Of a queue: how long a message stays away that was not handled, and how often it comes at most."""
_RETRIES = (60.0, 120.0)
"""Of a function that an event calls: EventBridge's event comes twice more."""

Post = Callable[[Message], Iterable[float]]
"""When a message arrives: never, once, or more often."""
Step = Callable[[Flows], Iterable[str]]
"""What a function does; gives the messages that are to come again."""


def promptly(message: Message) -> Iterable[float]:
    return (message.at + LATENCY,)


@dataclass(frozen=True, slots=True)
class Delivery:
    at: float
    kind: str
    body: str
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that somebody does at a time, counted from the beginning of a story."""

    after: float
    do: Callable[[World], None]


class World:
    def __init__(self, account: Account | None = None) -> None:
        self.account = account or Account()
        self.post: Post = promptly
        self.skews: Sequence[float] = (0.0,)
        """How far the clocks of workers are off, one after the other."""
        self.together: Random | None = None
        """Where it is there, every message goes to two workers at once, who take turns as it says."""
        self.mail: list[Delivery] = []
        self.deeds: list[Deed] = []
        self.tick_at = self.account.now + TICK
        self.failed: list[str] = []
        """Invariants that were broken while it went on."""
        self.deaths = 0
        self._idle: dict[str, list[Flows]] = {}
        self._born = 0
        self.began = self.account.now

    def copy(self) -> World:
        """Go another way from here, with workers that remember nothing."""
        made = World(self.account.copy())
        made.mail, made.deeds, made.tick_at = list(self.mail), list(self.deeds), self.tick_at
        made.began = self.began
        return made

    # What goes on.

    def begin(self, deeds: Iterable[Deed]) -> None:
        self.began = self.account.now
        self.deeds = sorted(deeds, key=lambda deed: deed.after)

    def run(self) -> None:
        """Let everything come to rest, and the schedule a few times more."""
        self.go_on(lambda: self.is_quiet, PATIENCE)
        if not self.is_quiet:
            self.failed.append(f"rests: {', '.join(self._open()) or 'mail'} is still open after days")
        for _ in range(QUIET_TICKS):
            self.account.now = self.tick_at
            self._tick()

    def run_for(self, seconds: float) -> None:
        self.go_on(lambda: False, seconds)

    def go_on(self, until: Callable[[], bool], patience: float) -> None:
        end = self.account.now + patience
        while not until():
            moment = self._next_moment()
            if moment > end:
                self.account.now = max(self.account.now, end)
                return
            self._reach(moment)

    @property
    def is_quiet(self) -> bool:
        return not self.mail and not self.deeds and not self.account.sent and self._is_idle

    @property
    def _is_idle(self) -> bool:
        return self.account.sagemaker.next_move() is None and not self._open()

    def _open(self) -> list[str]:
        """Name what the schedule still has to look at."""
        account = self.account
        due = [item["pk"]["S"] for item in account.dynamodb.items.values() if "open_kind" in item]
        due = [pk for pk in due if not (pk.startswith("run#") and self.awaits_a_person(pk.removeprefix("run#")))]
        rehearsals = [name for name in account.sagemaker.endpoints if "-rehearse-" in name]
        news = [pk for pk, _ in account.dynamodb.items if pk.startswith("outbox#")]
        return [*due, *rehearsals, *news, *self._unheard()]

    def awaits_a_person(self, run12: str) -> bool:
        """Tell whether nobody has decided on a run's model: not here, and not in SageMaker's own console."""
        run = json.loads(self.account.dynamodb.items[f"run#{run12}", "run"]["doc"]["S"])
        package = self.account.sagemaker.packages.get(run["package"] or "")
        waits = (run["state"], run["approval"]) == ("registered", "pending") and run["verdict"] is None
        return waits and package is not None and package.approval == "PendingManualApproval"

    def _unheard(self) -> list[str]:
        """Name the drops and pipelines that lie in the bucket, and that nobody has looked at."""
        items, found = self.account.dynamodb.items, set()
        for name, thing in self.account.s3.things.items():
            _, top, pipeline, rest = name.split("/", 3) if name.count("/") > 2 else (*name.split("/", 2), "", "")[:4]
            if top == "datasets" and (f"dataset#{pipeline}/{rest.split('/')[0]}", "dataset") not in items:
                found.add(f"dataset#{pipeline}/{rest.split('/')[0]}")
            if top == "pipelines":
                record = items.get((f"pipeline#{pipeline}", "pipeline"))
                if record is None or json.loads(record["doc"]["S"])["last_seen"] < thing.at:
                    found.add(f"pipeline#{pipeline}")
        return sorted(found)

    def _next_moment(self) -> float:
        """Tell when something happens next; the schedule is passed over while it has nothing to do."""
        self._collect()
        moments = [delivery.at for delivery in self.mail]
        moments += [self.began + deed.after for deed in self.deeds[:1]]
        moves = self.account.sagemaker.next_move()
        moments += [moves] if moves is not None else []
        if self._is_idle and moments:
            self.tick_at = max(self.tick_at, min(moments) + TICK)
        return max(self.account.now, min([*moments, self.tick_at]))

    def _reach(self, moment: float) -> None:
        self.account.now = moment
        self.account.sagemaker.move()
        self._collect()
        while self.deeds and self.began + self.deeds[0].after <= moment:
            self.deeds.pop(0).do(self)
        self._collect()
        due = [delivery for delivery in self.mail if delivery.at <= moment]
        self.mail = [delivery for delivery in self.mail if delivery.at > moment]
        for kind in dict.fromkeys(delivery.kind for delivery in due):
            self._deliver(kind, [delivery for delivery in due if delivery.kind == kind])
        if self.tick_at <= moment:
            self._tick()

    def _collect(self) -> None:
        """Take what was sent, and decide when it arrives."""
        for message in self.account.sent:
            kind = {"uploads": "uploads", SETTINGS.wake_queue: "wake"}.get(message.queue)
            kind = kind or _KINDS[json.loads(message.body)["detail-type"]]
            self.mail += [Delivery(at, kind, message.body) for at in self.post(message)]
        self.account.sent.clear()

    def _tick(self) -> None:
        self.account.sagemaker.move()
        self.tick_at = self.account.now + TICK
        self._call("reconcile", _tick)

    def _deliver(self, kind: str, due: list[Delivery]) -> None:
        if kind in _AGAIN:
            for start in range(0, len(due), 10):
                self._deliver_batch(kind, due[start : start + 10])
            return
        for delivery in due:
            if self._call(kind, _handling(kind, delivery.body)) is None:
                self._retry(delivery)

    def _deliver_batch(self, kind: str, due: list[Delivery]) -> None:
        batch = raw.batch(*(delivery.body for delivery in due))
        handle = deliver.uploads if kind == "uploads" else deliver.wakes
        names = [record["messageId"] for record in batch["Records"]]
        failed = self._call(kind, lambda flows: _failures(handle(flows, batch)))
        away, limit = _AGAIN[kind]
        for delivery, name in zip(due, names, strict=True):
            if (failed is None or name in failed) and delivery.tries + 1 < limit:
                self.mail.append(replace(delivery, at=self.account.now + away, tries=delivery.tries + 1))

    def _retry(self, delivery: Delivery) -> None:
        if delivery.tries < len(_RETRIES):
            later = self.account.now + _RETRIES[delivery.tries]
            self.mail.append(replace(delivery, at=later, tries=delivery.tries + 1))

    # Workers.

    def _call(self, kind: str, step: Step) -> frozenset[str] | None:
        """Let a worker do it, or two at once; None where it died or failed."""
        if self.together is None:
            return self.invoke(kind, step)
        answers: list[frozenset[str] | None] = [None, None]

        def worker(place: int) -> Callable[[], None]:
            def work() -> None:
                answers[place] = self.invoke(f"{kind}{place}", step)

            return work

        take_turns(self.account, [worker(0), worker(1)], self.together)
        return answers[0]

    def invoke(self, kind: str, step: Step) -> frozenset[str] | None:
        """Call a function: a worker that has nothing to do, or a new one; one that dies is gone."""
        idle = self._idle.setdefault(kind, [])
        flows = idle.pop() if idle else self._hire(kind)
        try:
            failed = _handle(flows, step)
        except CrashError:
            self.deaths += 1
            return None
        except Exception as error:  # noqa: BLE001 (the process's edge, as Lambda's)
            self.surprised(error)
            failed = None
        idle.append(flows)
        return failed

    def _hire(self, kind: str) -> Flows:
        skew = self.skews[self._born % len(self.skews)]
        self._born += 1
        account = self.account
        return Flows(Aws(SETTINGS, account.clients(f"{kind}-{self._born}"), lambda: account.now + skew))

    def surprised(self, error: BaseException) -> None:
        """Note an error that has no word of ours: nobody planned what follows from it."""
        if not isinstance(error, DropforgeError):
            self.failed.append(f"no-surprise: {type(error).__name__}: {error}"[:300])


def _handle(flows: Flows, step: Step) -> frozenset[str]:
    """Do a step and send what it saved, as the real functions do: each worker through its own rooms."""
    with ExitStack() as rooms:

        def handle(_: None) -> frozenset[str]:
            try:
                return frozenset(step(flows))
            finally:
                rooms.enter_context(wiring.use(flows))  # only now: others may have moved during the step

        return frozenset(sending.around(None, handle))


def _tick(flows: Flows) -> Iterable[str]:
    deliver.tick(flows)
    return ()


def _job(flows: Flows, event: dict[str, Any]) -> Iterable[str]:
    deliver.job(flows, events.job_changed(event))
    return ()


def _endpoint(flows: Flows, event: dict[str, Any]) -> Iterable[str]:
    deliver.endpoint(flows, events.endpoint_changed(event))
    return ()


def _package(flows: Flows, event: dict[str, Any]) -> Iterable[str]:
    deliver.package(flows, events.package_changed(event))
    return ()


def _run_requested(flows: Flows, event: dict[str, Any]) -> Iterable[str]:
    deliver.run_requested(flows, events.run_requested(event))
    return ()


_HANDLERS: dict[str, Callable[[Flows, dict[str, Any]], Iterable[str]]] = {
    "job": _job,
    "endpoint": _endpoint,
    "package": _package,
    "run-requested": _run_requested,
}


def _handling(kind: str, body: str) -> Step:
    return lambda flows: _HANDLERS[kind](flows, json.loads(body))


def _failures(answer: dict[str, Any]) -> list[str]:
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def take_turns(account: Account, tasks: Sequence[Callable[[], None]], random: Random) -> None:
    """Run tasks in threads of which one alone moves: at each call that one makes, another may go on."""
    back = threading.Semaphore(0)
    turns = [threading.Semaphore(0) for _ in tasks]
    over: set[int] = set()
    mine = threading.local()

    def work(place: int) -> None:
        mine.turn = turns[place]
        mine.turn.acquire()
        try:
            tasks[place]()
        finally:
            over.add(place)
            back.release()

    def wait(_: Call) -> None:
        if (turn := getattr(mine, "turn", None)) is not None:
            back.release()
            turn.acquire()

    threads = [threading.Thread(target=work, args=(place,), daemon=True) for place in range(len(tasks))]
    account.wire.before = wait
    for thread in threads:
        thread.start()
    while len(over) < len(tasks):
        turns[random.choice([place for place in range(len(tasks)) if place not in over])].release()
        back.acquire()
    account.wire.before = None
    for thread in threads:
        thread.join()


class _Surprises(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.world: World | None = None

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if self.world is not None and error is not None:
            self.world.surprised(error)


@contextmanager
def heard(world: World) -> Iterator[World]:
    """Let errors that the functions log count as surprises, and the log be silent."""
    log, handler = logging.getLogger("dropforge"), _Surprises()
    handler.world = world
    before = (log.handlers, log.propagate)
    log.handlers, log.propagate = [handler], False
    try:
        yield world
    finally:
        log.handlers, log.propagate = before
