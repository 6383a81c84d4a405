"""What is live, from the one small SERVING item: remembered for seconds, and kept when the table does not answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from time import monotonic
from typing import Any, NamedTuple

from chalicelib.errors import UnavailableError
from chalicelib.predict.limits import SERVING_SECONDS
from chalicelib.predict.transport import Host, Reply

READ_SECONDS = 2.0
"""How long the table may take; what is remembered serves on after that."""
_KEPT = 256
"""Models remembered at most: names come from clients, and memory does not grow with their ideas."""
_ITEM_LIMIT = 400_000  # bytes of a DynamoDB item
_OK = 200


class Serving(NamedTuple):
    """As much of the SERVING item as an answer needs; its writer is the release."""

    live: bool
    endpoint: str
    run: str
    version: int | None
    exact: bool
    accept: tuple[str, ...]
    labels: tuple[str, ...]
    top_k: int


class Known(NamedTuple):
    """`serving` is None where there is no such model; good `until` a time of the clock."""

    serving: Serving | None
    until: float


class Table:
    def __init__(self, host: Host, name: str, clock: Callable[[], float] = monotonic) -> None:
        self._host = host
        self._name = name
        self._clock = clock
        self._known: dict[str, Known] = {}

    def serving(self, model: str) -> Serving | None:
        """Tell what is live; UnavailableError only where nothing is remembered and the table does not answer."""
        known = self._known.get(model)
        if known is None or known.until <= self._clock():
            known = Known(self._read_or(model, known), self._clock() + SERVING_SECONDS)
            self._remember(model, known)
        return known.serving

    def knows(self, model: str) -> bool:
        """Tell whether there is such a model, by what is remembered alone."""
        known = self._known.get(model)
        return known is not None and known.serving is not None

    def close(self) -> None:
        self._host.close()

    def _read_or(self, model: str, known: Known | None) -> Serving | None:
        try:
            return self._read(model)
        except UnavailableError as error:
            if known is None:
                raise UnavailableError("What is live cannot be read just now.", retry_after=1) from error
            return known.serving

    def _read(self, model: str) -> Serving | None:
        key = {"pk": {"S": f"serving#{model}"}, "sk": {"S": "serving"}}
        asked = json.dumps({"TableName": self._name, "Key": key, "ProjectionExpression": "doc"}).encode()
        reply = self._host.post("/", _HEADERS, asked, until=monotonic() + READ_SECONDS, limit=_ITEM_LIMIT * 2)
        if reply.status != _OK:
            raise UnavailableError("The table refuses to tell what is live.", status=reply.status)
        return _serving(reply)

    def _remember(self, model: str, known: Known) -> None:
        self._known.pop(model, None)
        if len(self._known) >= _KEPT:
            del self._known[next(iter(self._known))]
        self._known[model] = known


_HEADERS = {"content-type": "application/x-amz-json-1.0", "x-amz-target": "DynamoDB_20120810.GetItem"}


def _serving(reply: Reply) -> Serving | None:
    try:
        item = json.loads(reply.body).get("Item")
        return None if item is None else _read_doc(json.loads(item["doc"]["S"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnavailableError("What the table tells of this model cannot be read.") from error


def _read_doc(doc: dict[str, Any]) -> Serving:
    return Serving(
        live=bool(doc["live"]) and bool(doc.get("endpoint")),
        endpoint=doc.get("endpoint") or "",
        run=short(doc.get("run") or ""),
        version=doc.get("model_version"),
        exact=bool(doc.get("exact", True)),
        accept=tuple(doc["accept"]),
        labels=tuple(doc["labels"]),
        top_k=int(doc["top_k"]),
    )


def short(run: str) -> str:
    """Name a run by its twelve digits (as names.py does, which this function cannot afford to import)."""
    return run.removeprefix("v1")[:12]
