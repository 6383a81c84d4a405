"""What we have told the world, for operators: the newest events of ours, or all from a moment on. See docs/events/."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from chalice.app import IAMAuthorizer, Request

from chalicelib import wiring
from chalicelib.errors import InvalidError
from chalicelib.http import query
from chalicelib.http.bodies import moment
from chalicelib.http.door import Door
from chalicelib.http.query import Query
from chalicelib.news import Told

door = Door(__name__, authorizer=IAMAuthorizer())


@door.get("/v1/events")
def told_events(request: Request) -> dict[str, Any]:
    """List the newest events, or with `since` or `next` those that follow; oldest first, and `next` always goes on."""
    asked = query.read(request, "since")
    page = wiring.flows().world.records.events(since=_since(asked), after=asked.after, limit=asked.limit)
    return {"events": [_body(each) for each in page.items], "next": page.next}


def _body(told: Told) -> dict[str, Any]:
    news = told.news
    return {"id": news.id, "type": news.kind, "published_at": moment(told.at), "detail": dict(news.detail)}


def _since(asked: Query) -> float | None:
    text = asked.filters.get("since")
    if text is None:
        return None
    if asked.after is not None:
        raise InvalidError('Give "since" to begin, and "next" to go on; not both.')
    return _moment(text)


def _moment(text: str) -> float:
    try:
        at = datetime.fromisoformat(text.replace(" ", "+"))  # a plus that was not encoded
        if at.tzinfo is not None:
            return at.timestamp()
    except (ValueError, OverflowError):
        pass
    raise InvalidError('"since" is a moment with its zone, such as 2031-05-01T10:00:00Z.')
