"""rollback, undeploy and redeploy of a model: orders on the operators' door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalice.app import IAMAuthorizer, Request

from chalicelib import wiring
from chalicelib.errors import InvalidError
from chalicelib.http import bodies, order
from chalicelib.http.door import Door

if TYPE_CHECKING:
    from chalicelib.flows.release_orders import Ordered

Json = dict[str, Any]

door = Door(__name__, authorizer=IAMAuthorizer())


@door.post("/v1/releases/{pipeline}/rollback")
def rollback_release(request: Request, pipeline: str) -> Json:
    """Give up what is on its way to clients, or bring back what was live before; with `to`, serve that version."""
    flows = wiring.flows()
    asked = order.read(request, flows.world.clock(), "to")
    return _told(flows.releases.orders.roll_back(pipeline, asked.command, asked.number("to")))


@door.post("/v1/releases/{pipeline}/undeploy")
def undeploy_release(request: Request, pipeline: str) -> Json:
    """Take down all that serves; `confirm` repeats the model's name."""
    flows = wiring.flows()
    asked = order.read(request, flows.world.clock(), "confirm")
    _must_mean(asked.text("confirm"), pipeline)
    return _told(flows.releases.orders.undeploy(pipeline, asked.command))


@door.post("/v1/releases/{pipeline}/redeploy")
def redeploy_release(request: Request, pipeline: str) -> Json:
    """Bring back what was undeployed, or try again what failed last."""
    return _told(wiring.flows().releases.orders.redeploy(pipeline, order.command(request)))


def _must_mean(confirm: str | None, pipeline: str) -> None:
    if confirm != pipeline:
        raise InvalidError(f'To undeploy {pipeline}, send {{"confirm": "{pipeline}"}}: clients will get no answers.')


def _told(ordered: Ordered) -> Json:
    release = bodies.release(ordered.release)
    return {"changed": ordered.changed, "stage": release["stage"], "what": ordered.what, "release": release}
