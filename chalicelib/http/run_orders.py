"""stop, retry, approve and reject: a person's hand on a run, orders on the operators' door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalice.app import IAMAuthorizer, Request

from chalicelib import wiring
from chalicelib.http import bodies, named, order
from chalicelib.http.door import Door

if TYPE_CHECKING:
    from chalicelib.flows.run_orders import Ordered

Json = dict[str, Any]

door = Door(__name__, authorizer=IAMAuthorizer())


@door.post("/v1/runs/{run}/stop")
def stop_run(request: Request, run: str) -> Json:
    """Let a run cost nothing further."""
    return _told(wiring.flows().run_orders.stop(named.run(run).id, order.command(request)))


@door.post("/v1/runs/{run}/retry")
def retry_run(request: Request, run: str) -> Json:
    """Try a run again: train it once more, or offer its model to the release that refused it."""
    return _told(wiring.flows().run_orders.retry(named.run(run).id, order.command(request)))


@door.post("/v1/runs/{run}/approve")
def approve_run(request: Request, run: str) -> Json:
    """Let a run's registered model go live."""
    return _told(wiring.flows().run_orders.approve(named.run(run).id, order.command(request)))


@door.post("/v1/runs/{run}/reject")
def reject_run(request: Request, run: str) -> Json:
    """Keep a run's registered model from going live."""
    return _told(wiring.flows().run_orders.reject(named.run(run).id, order.command(request)))


def _told(ordered: Ordered) -> Json:
    release = wiring.flows().world.records.release(ordered.run.pipeline)
    run = bodies.run(ordered.run, release)
    return {
        "changed": ordered.changed,
        "state": run["state"],
        "stage": run["stage"],
        "what": ordered.what,
        "run": run["run"],
        "reason": run["reason"],
    }
