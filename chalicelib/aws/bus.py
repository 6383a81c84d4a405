"""Our events on EventBridge. What it says of each entry counts: a call that succeeds may have left some."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from chalicelib.aws.clients import Clients, shared
from chalicelib.aws.errors import translated
from chalicelib.news import News
from chalicelib.settings import Settings

SOURCE = "dropforge"
AT_ONCE = 10
"""Entries that PutEvents takes in one call."""


class Bus:
    def __init__(self, settings: Settings, clients: Clients | None = None) -> None:
        self._clients = clients or shared(settings.region)
        self._bus = settings.bus

    def publish(self, news: Sequence[News]) -> tuple[str, ...]:
        batches = (news[first : first + AT_ONCE] for first in range(0, len(news), AT_ONCE))
        return tuple(name for batch in batches for name in self._send(batch))

    def _send(self, batch: Sequence[News]) -> Iterable[str]:
        with translated():
            answer = self._events.put_events(Entries=[self._entry(each) for each in batch])
        return [each.id for each, said in zip(batch, answer["Entries"], strict=True) if "ErrorCode" not in said]

    def _entry(self, news: News) -> dict[str, Any]:
        return {
            "Source": SOURCE,
            "DetailType": news.kind,
            "Detail": json.dumps(dict(news.detail), ensure_ascii=False),
            "Time": datetime.fromtimestamp(news.at, UTC),
            "EventBusName": self._bus,
        }

    @property
    def _events(self) -> Any:
        return self._clients.get("events")
