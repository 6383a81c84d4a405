"""Our events on EventBridge. What it says of each entry counts: a call that succeeds may have left some."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.aws.clients import Clients, shared
from chalicelib.aws.errors import translated
from chalicelib.errors import RefusedError
from chalicelib.news import News
from chalicelib.settings import Settings

SOURCE = "dropforge"
AT_ONCE = 10
"""Entries that PutEvents takes in one call."""
BYTES_AT_ONCE = 200_000
"""PutEvents takes 256 KB in one call; what it counts beside the details is far less than the rest."""


class Bus:
    def __init__(self, settings: Settings, clients: Clients | None = None) -> None:
        self._clients = clients or shared(settings.region)
        self._bus = settings.bus

    def publish(self, news: Sequence[News]) -> tuple[str, ...]:
        """RefusedError where the bus takes nothing of a call, as of one that is too large."""
        return tuple(name for batch in _batches(news) for name in self._send(batch))

    def _send(self, batch: Sequence[News]) -> Iterable[str]:
        try:
            with translated():
                answer = self._events.put_events(Entries=[self._entry(each) for each in batch])
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationException":
                raise
            raise RefusedError(error.response["Error"]["Message"]) from error
        return [each.id for each, said in zip(batch, answer["Entries"], strict=True) if "ErrorCode" not in said]

    def _entry(self, news: News) -> dict[str, Any]:
        return {
            "Source": SOURCE,
            "DetailType": news.kind,
            "Detail": _detail(news),
            "Time": datetime.fromtimestamp(news.at, UTC),
            "EventBusName": self._bus,
        }

    @property
    def _events(self) -> Any:
        return self._clients.get("events")


def _detail(news: News) -> str:
    return json.dumps(dict(news.detail), ensure_ascii=False)


def _batches(news: Sequence[News]) -> Iterator[Sequence[News]]:
    """Cut what one call takes, by number and by size."""
    batch: list[News] = []
    size = 0
    for each in news:
        more = len(_detail(each).encode())
        if batch and (len(batch) == AT_ONCE or size + more > BYTES_AT_ONCE):
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += more
    if batch:
        yield batch
