"""The clients' door: models, by API key; and the health route, open to all."""

from __future__ import annotations

from typing import Any

from chalice.app import Blueprint, Request, Response

from chalicelib.http import bodies, named
from chalicelib.http.door import Door
from chalicelib.media import BINARY_TYPES
from chalicelib.predict.limits import BODY_LIMIT

open_door = Door(f"{__name__}.open")
door = Door(__name__, api_key_required=True)
predictions = Blueprint(f"{__name__}.predict")


@open_door.get("/v1/health")
def health(_: Request) -> dict[str, Any]:
    """Tell that the app answers; it asks nobody else."""
    return {"status": "ok"}


@door.get("/v1/models/{model}")
def model(_: Request, model: str) -> dict[str, Any]:
    """Tell what a model accepts, its labels, and whether it is live."""
    return bodies.model(named.model(model), max_bytes=BODY_LIMIT)


@predictions.route(
    "/v1/models/{model}/predict", methods=["POST"], content_types=list(BINARY_TYPES), api_key_required=True
)
def predict(model: str) -> Response:  # noqa: ARG001 -- Chalice passes the path's parameters by name
    """Ask a model. infra/ points this route straight at the function `predict`; this view is for `chalice local`."""
    from chalicelib.predict.handler import handle

    said = handle(predictions.current_request.to_original_event(), predictions.lambda_context)
    return Response(said["body"], headers=said["headers"], status_code=said["statusCode"])
