"""POST /v1/runs: a run by hand, of a dataset that is there or of data wherever it lies."""

from __future__ import annotations

from typing import Any

from chalice.app import IAMAuthorizer, Request

from chalicelib import wiring
from chalicelib.decide.start import Wish
from chalicelib.errors import InvalidError
from chalicelib.http import bodies, order
from chalicelib.http.door import Door
from chalicelib.http.order import Order
from chalicelib.text import texts

Json = dict[str, Any]

door = Door(__name__, authorizer=IAMAuthorizer())


@door.post("/v1/runs", status=202)
def start(request: Request) -> Json:
    """Look at a dataset now, and train on it unless it is a run already."""
    flows = wiring.flows()
    asked = order.read(request, flows.world.clock(), "pipeline", "dataset", "channels", "set", "request_id")
    started = flows.starts.start(_wish(asked))
    said = bodies.dataset(started.dataset)
    return said | {"changed": started.changed, "stage": started.stage, "what": started.what}


def _wish(asked: Order) -> Wish:
    from chalicelib.pipeline import write_values

    pipeline = asked.text("pipeline")
    if pipeline is None:
        raise InvalidError('"pipeline" is missing: name the pipeline to start.')
    return Wish(
        pipeline,
        asked.command,
        dataset=asked.text("dataset"),
        channels=texts(asked.table("channels"), '"channels"'),
        values=write_values(asked.table("set")),
        request=asked.text("request_id") or "",
    )
