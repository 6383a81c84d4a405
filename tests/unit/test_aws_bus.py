"""PutEvents takes ten entries and 256 KB in one call, and refuses a call that is larger as a whole."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.aws.bus import Bus
from chalicelib.aws.clients import Clients
from chalicelib.errors import RefusedError
from chalicelib.news import RUN, News
from tests.fakes.world import SETTINGS

CALL_LIMIT = 256 * 1024


class Events:
    """EventBridge, as far as it counts what it is sent."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 (EventBridge's name)
        size = sum(len(entry["Detail"].encode()) + len(entry["DetailType"]) + 100 for entry in Entries)
        if len(Entries) > 10 or size > CALL_LIMIT:
            error = {"Code": "ValidationException", "Message": "Total size of the entries is over the limit."}
            raise ClientError({"Error": error}, "PutEvents")
        self.calls.append(len(Entries))
        return {"Entries": [{"EventId": "1"} for _ in Entries]}


def bus() -> tuple[Events, Bus]:
    events = Events()

    def make(service: str, *, region_name: str, config: object) -> Events:
        assert (service, region_name) == ("events", "us-east-1")
        assert config is not None
        return events

    return events, Bus(SETTINGS, Clients("us-east-1", make))


def news(number: int, size: int) -> News:
    return News(f"{number:032x}", 1_800_000_000.0, RUN, {"sequence": number, "reason": "ü" * (size // 2)})


@pytest.mark.parametrize(
    ("sizes", "calls"),
    [
        ([], []),
        ([100] * 23, [10, 10, 3]),
        ([90_000] * 5, [2, 2, 1]),
        ([150_000, 10, 10, 150_000, 10], [3, 2]),
        ([250_000, 10], [1, 1]),
    ],
)
def test_no_call_is_larger_than_the_bus_takes(sizes: list[int], calls: list[int]) -> None:
    events, sender = bus()
    sent = [news(number, size) for number, size in enumerate(sizes)]
    assert sender.publish(sent) == tuple(each.id for each in sent)
    assert events.calls == calls


def test_news_that_is_too_large_alone_is_refused() -> None:
    with pytest.raises(RefusedError, match="over the limit"):
        bus()[1].publish([news(1, 300_000)])
