"""In what order and how often things arrive, who handles them, and whose clock is right."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

from tests.proof.cloud.mail import Message
from tests.proof.cloud.wire import Call, Disturbance
from tests.proof.faults import stalls
from tests.proof.world import DAY, LATENCY, World

Arrange = Callable[[World], None]
CLOCKS = 300.0
"""Seconds by which a clock may be off, either way."""


def each_event_twice(world: World) -> None:
    world.post = lambda message: (message.at + LATENCY, message.at + LATENCY)


def each_event_again_later(world: World) -> None:
    world.post = lambda message: (message.at + LATENCY, message.at + 47.0, message.at + 400.0)


def days_late(world: World) -> None:
    world.post = lambda message: (message.at + 2 * DAY,)


def all_lost(world: World) -> None:
    """Leave it to the schedule alone."""
    world.post = lambda _: ()


def reordered(seed: int) -> Arrange:
    """Let events overtake each other, some come more often, and some never."""

    def arrange(world: World) -> None:
        random = Random(seed)

        def post(message: Message) -> Iterable[float]:
            copies = random.choice((0, 1, 1, 1, 2))
            return tuple(message.at + LATENCY + random.choice((0.0, 5.0, 60.0, 300.0)) for _ in range(copies))

        world.post = post

    return arrange


def two_workers(seed: int) -> Arrange:
    """Give every message to two workers at once, and let them take turns at every call."""

    def arrange(world: World) -> None:
        world.together = Random(seed)

    return arrange


def clocks(*skews: float) -> Arrange:
    def arrange(world: World) -> None:
        world.skews = skews

    return arrange


def at_once(*arranged: Arrange) -> Arrange:
    def arrange(world: World) -> None:
        for each in arranged:
            each(world)

    return arrange


def asleep(number: int, seconds: float) -> Arrange:
    """Let the worker of that call stand still before it, as long as the others go on."""

    def arrange(world: World) -> None:
        wire = world.account.wire
        wire.planned[wire.made + number] = stalls(lambda: world.run_for(seconds))

    return arrange


def at_first(method: str, *words: str, how: Disturbance | None = None, seconds: float = 0.0) -> Arrange:
    """Disturb the first call of that method whose request holds these words, or let its worker stand still there."""

    def arrange(world: World) -> None:
        disturbance = how or stalls(lambda: world.run_for(seconds))
        left = [disturbance]

        def choose(call: Call) -> Disturbance | None:
            meant = call.method == method and all(word in str(call.asked) for word in words)
            return left.pop() if meant and left else None

        world.account.wire.choose = choose

    return arrange


def taken_in_halves(world: World) -> None:
    """Let the bus take every other event of what it is sent."""
    world.account.events.halves = True


FAST_AND_SLOW = clocks(CLOCKS, -CLOCKS)
SLOW_AND_FAST = clocks(-CLOCKS, CLOCKS)
FIXED: dict[str, Arrange] = {
    "every event twice at once": each_event_twice,
    "every event again later, twice": each_event_again_later,
    "every event two days late": days_late,
    "every event lost": all_lost,
    "clocks five minutes fast and slow": FAST_AND_SLOW,
    "clocks five minutes slow and fast": SLOW_AND_FAST,
    "one clock in three right": clocks(0.0, CLOCKS, -CLOCKS),
    "a bus that takes half of what it is sent": taken_in_halves,
    "every event lost, clocks off": at_once(all_lost, FAST_AND_SLOW),
    "every event twice, clocks off": at_once(each_event_twice, SLOW_AND_FAST),
}
EVENTLESS = frozenset({"every event lost", "every event lost, clocks off"})


def drawn(seed: int) -> Arrange:
    """Mix an order of events, two workers or one, and clocks, by a seed."""
    random = Random(seed)
    parts = [reordered(seed)]
    if random.random() < 0.5:
        parts.append(two_workers(seed))
    if random.random() < 0.5:
        parts.append(clocks(*(random.uniform(-CLOCKS, CLOCKS) for _ in range(5))))
    return at_once(*parts)
