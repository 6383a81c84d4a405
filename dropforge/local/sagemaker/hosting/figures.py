"""What CloudWatch is told of invocations: gathered as they end, put in batches from a thread of its own.

https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

NAMESPACE = "AWS/SageMaker"
_PAUSE = 1.0
_MINUTE = 60
_VALUES = 150  # in one datum
_AT_ONCE = 100  # data in one call; CloudWatch takes 1000, in at most 1 MB
_MICRO = 1_000_000
_SLOTS_A_SECOND, _SLOTS = 10, 700  # more than the minute that scaling looks back

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric in one minute, which is the finest that SageMaker keeps."""

    name: str
    unit: str
    dimensions: tuple[tuple[str, str], ...]
    minute: int


@dataclass(frozen=True, slots=True)
class Call:
    """One invocation that has ended; times in seconds."""

    endpoint: str
    variant: str
    instances: int
    busy: int
    """How many requests the variant had to answer when this one came."""
    model: float
    overhead: float
    status: int
    """The container's; 0 where it gave no answer."""


class Figures:
    """Any thread may `add`; nothing is waited for."""

    def __init__(self, client: Callable[[str], Any]) -> None:
        self._client = client
        self._added: deque[tuple[Figure, float]] = deque()
        self._calls: deque[tuple[int, Call]] = deque()
        self._recent: dict[tuple[str, str], deque[list[float]]] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sagemaker-figures", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Put what is there and end."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def add(self, name: str, unit: str, value: float, **dimensions: str) -> None:
        self._added.append((Figure(name, unit, tuple(dimensions.items()), _minute()), value))

    def rate(self, endpoint: str, variant: str, seconds: float) -> float:
        """Say how many invocations each instance of a variant had in the last seconds, a minute at most."""
        first = (time.monotonic() - seconds) * _SLOTS_A_SECOND
        return sum(number for slot, number in list(self._recent.get((endpoint, variant), ())) if slot >= first)

    def count(self, call: Call) -> None:
        """Add one invocation; its figures are made of it later, with those of others."""
        of = (call.endpoint, call.variant)
        slots = self._recent.get(of) or self._recent.setdefault(of, deque(maxlen=_SLOTS))
        slot = int(time.monotonic() * _SLOTS_A_SECOND)
        if not slots or slots[-1][0] != slot:
            slots.append([slot, 0.0])
        slots[-1][1] += 1.0 / max(1, call.instances)
        self._calls.append((_minute(), call))

    def _run(self) -> None:
        while not self._stopping.wait(_PAUSE):
            self._put()
        self._put()

    def _put(self) -> None:
        added = [self._added.popleft() for _ in range(len(self._added))]
        calls = [self._calls.popleft() for _ in range(len(self._calls))]
        data = list(_data(_summed(added, calls)))
        for first in range(0, len(data), _AT_ONCE):
            try:
                self._client("cloudwatch").put_metric_data(
                    Namespace=NAMESPACE, MetricData=data[first : first + _AT_ONCE]
                )
            except (BotoCoreError, ClientError) as error:
                logger.warning("figures of endpoints did not reach CloudWatch: %s", error)


def _minute() -> int:
    return int(time.time()) // _MINUTE * _MINUTE


def _summed(added: Sequence[tuple[Figure, float]], calls: Sequence[tuple[int, Call]]) -> dict[Figure, Counter[float]]:
    """Sum up figures in what keeps enough of each value for percentiles."""
    seen: dict[Figure, Counter[float]] = defaultdict(Counter)
    for figure, value in added:
        seen[figure][_rounded(value)] += 1
    alike: dict[tuple[int, str, str], list[Call]] = defaultdict(list)
    for minute, call in calls:
        alike[minute, call.endpoint, call.variant].append(call)
    for (minute, endpoint, variant), ended in alike.items():
        dimensions = (("EndpointName", endpoint), ("VariantName", variant))
        for name, unit, values in _told(ended):
            seen[Figure(name, unit, dimensions, minute)].update(map(_rounded, values))
    return seen


def _told(calls: Sequence[Call]) -> Iterator[tuple[str, str, Iterable[float]]]:
    """Give the metrics of the invocations of one variant, as SageMaker has them."""
    yield "Invocations", "None", (1.0 for _ in calls)
    yield "InvocationsPerInstance", "None", (1.0 / max(1, call.instances) for call in calls)
    yield "Invocation4XXErrors", "None", (call.status // 100 == 4 for call in calls)  # noqa: PLR2004 - the class of the client's mistakes
    yield "Invocation5XXErrors", "None", (call.status // 100 in {0, 5} for call in calls)
    yield "InvocationModelErrors", "None", (call.status // 100 != 2 for call in calls)  # noqa: PLR2004 - the class of successes
    yield "ConcurrentRequestsPerModel", "None", (call.busy for call in calls)
    yield "OverheadLatency", "Microseconds", (call.overhead * _MICRO for call in calls)
    yield "ModelLatency", "Microseconds", (call.model * _MICRO for call in calls if call.status)


def _rounded(value: float) -> float:
    """Keep three digits: CloudWatch keeps every value apart, and a flood of calls has as many as calls."""
    return float(f"{value:.3g}")


def _data(seen: Mapping[Figure, Counter[float]]) -> Iterator[dict[str, Any]]:
    """Put what was summed up in data that are not too large."""
    for figure, counted in seen.items():
        values = sorted(counted)
        for first in range(0, len(values), _VALUES):
            some = values[first : first + _VALUES]
            yield {
                "MetricName": figure.name,
                "Dimensions": [{"Name": name, "Value": value} for name, value in figure.dimensions],
                "Unit": figure.unit,
                "Timestamp": figure.minute,
                "Values": some,
                "Counts": [float(counted[value]) for value in some],
            }
