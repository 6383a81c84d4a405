"""The inference function: request → what is live → invocation → answer. It stands alone: no Chalice, boto3 or pydantic.

API Gateway's predict route and this function's Handler point here (infra/template.yaml). Each call logs one line, which
CloudWatch counts, too: `Predictions` by `answer`.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from functools import cache
from time import monotonic, time
from typing import Any

from chalicelib.errors import DropforgeError, NotFoundError
from chalicelib.gauges import Gauge, document
from chalicelib.predict import answer, request
from chalicelib.predict.answer import Prediction
from chalicelib.predict.endpoint import Endpoints, Said
from chalicelib.predict.limits import DEADLINE
from chalicelib.predict.refusals import NotLiveError, RelabellingError
from chalicelib.predict.serving import Serving, Table
from chalicelib.predict.signing import Credentials, Scope
from chalicelib.predict.transport import Host
from chalicelib.problem import headers, problem

Event = Mapping[str, Any]
_OK, _SERVER_ERRORS = 200, 500
_TOLD = ("code", "model", "variant", "latency_ms", "request_id")


def handle(event: Event, context: object) -> dict[str, Any]:  # noqa: ARG001 -- Lambda passes it
    return from_environment().handle(event)


@cache
def from_environment() -> Inference:
    """Build from Lambda's own variables, once a process; AWS_ENDPOINT_URL means what it means to the SDKs."""
    return build(os.environ)


def build(env: Mapping[str, str], *, clock: Callable[[], float] = monotonic, deadline: float = DEADLINE) -> Inference:
    region = env["AWS_REGION"]
    runtime = Host(
        address(env, "SAGEMAKER_RUNTIME", "runtime.sagemaker"), Scope(region, "sagemaker"), lambda: _who(env)
    )
    table = Host(address(env, "DYNAMODB", "dynamodb"), Scope(region, "dynamodb"), lambda: _who(env))
    stage = env.get("DROPFORGE_STAGE") or "unnamed"
    return Inference(Table(table, env["DROPFORGE_TABLE"], clock), Endpoints(runtime), deadline, stage)


class Inference:
    def __init__(self, table: Table, endpoints: Endpoints, deadline: float, stage: str) -> None:
        self._table = table
        self._endpoints = endpoints
        self._deadline = deadline
        self._stage = stage

    def close(self) -> None:
        """Hang up. Lambda needs no such thing: its processes end with their connections."""
        self._table.close()
        self._endpoints.close()

    def handle(self, event: Event) -> dict[str, Any]:
        """Answer a proxy event with a proxy response; no error leaves but as a problem."""
        begun = monotonic()
        request_id = (event.get("requestContext") or {}).get("requestId") or ""
        try:
            said = self._answer(event, begun)
            said.update(latency_ms=_since(begun), request_id=request_id)
            response = _response(200, {"Content-Type": "application/json"}, said)
            self._tell(event, 200, said, {"outcome": "done"})
        except DropforgeError as error:
            response = self._refuse(event, error, request_id, begun)
        except Exception as error:  # noqa: BLE001 -- the process's edge: a client gets a problem, the log gets the trace
            fault = DropforgeError(str(error), trace=traceback.format_exc())
            response = self._refuse(event, fault, request_id, begun)
        return response

    def _answer(self, event: Event, begun: float) -> dict[str, Any]:
        asked = request.read(event)
        serving = self._live(asked.model)
        request.check_type(asked, serving.accept)
        sent = request.payload(asked)
        said = self._endpoints.invoke(serving.endpoint, sent, asked.content_type, until=begun + self._deadline)
        return _body(asked.model, _read(said, serving), said, serving)

    def _live(self, model: str) -> Serving:
        serving = self._table.serving(model)
        if serving is None:
            raise NotFoundError("There is no model by that name.")
        if not serving.live:
            raise NotLiveError(retry_after=30)
        return serving

    def _refuse(self, event: Event, error: DropforgeError, request_id: str, begun: float) -> dict[str, Any]:
        said = problem(error, request_id)
        outcome = "refused" if error.status < _SERVER_ERRORS else "failed"
        more = {"outcome": outcome, "reason": error.message, "trace": error.facts.get("trace")}
        self._tell(event, error.status, {"latency_ms": _since(begun), **said}, more)
        return _response(error.status, headers(error), said)

    def _tell(self, event: Event, status: int, said: Mapping[str, Any], more: Mapping[str, Any]) -> None:
        """Log the call, and count it: for its pipeline only where there is one, as clients may send any name."""
        model = (event.get("pathParameters") or {}).get("model")
        kind = "200" if status == _OK else f"{status // 100}xx"
        pipeline = model if isinstance(model, str) and self._table.knows(model) else None
        gauge = Gauge("Predictions", by=(("answer", kind),), pipeline=pipeline)
        line = {"service": "dropforge", "step": "predict", "status": status}
        line.update((name, said[name]) for name in _TOLD if name in said)
        line.update((name, value) for name, value in more.items() if value is not None)
        sys.stdout.write(json.dumps(document(gauge, self._stage, time(), **line)) + "\n")


def _read(said: Said, serving: Serving) -> tuple[Prediction, ...]:
    """Read the answer; SERVING has no labels to give to plain scores while a rollout changes them."""
    try:
        return answer.read(said.body, serving.labels, serving.top_k)
    except answer.UnlabelledError as error:
        if serving.exact:
            raise
        raise RelabellingError(retry_after=5) from error


def _body(model: str, found: tuple[Prediction, ...], said: Said, serving: Serving) -> dict[str, Any]:
    return {
        "results": [{"predictions": [prediction.to_json() for prediction in found]}],
        "model": {"name": model, **_who_answered(said, serving)},
        "variant": said.variant,
        "degraded": False,
    }


def _who_answered(said: Said, serving: Serving) -> dict[str, Any]:
    """Name the model that answered: by the container's word, else by SERVING's, which is not exact during a rollout.

    Another run than SERVING's answers for some seconds around a rollout. Its version number is null then: the container
    knows its run alone, and no answer waits for a second look into the table.
    """
    if said.run is None or said.run == serving.run:
        exact = serving.exact or said.run is not None
        return {"version": serving.version, "run": serving.run or None, "exact": exact}
    return {"version": None, "run": said.run, "exact": True}


def _response(status: int, head: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    return {"statusCode": status, "headers": head, "body": json.dumps(body), "isBase64Encoded": False}


def _since(begun: float) -> float:
    return round((monotonic() - begun) * 1000, 1)


def address(env: Mapping[str, str], service: str, host: str) -> str:
    """Find a service as the SDKs do: its own variable, the one for all, the region's host."""
    region = env["AWS_REGION"]
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return env.get(f"AWS_ENDPOINT_URL_{service}") or env.get("AWS_ENDPOINT_URL") or f"https://{host}.{region}.{suffix}"


def _who(env: Mapping[str, str]) -> Credentials:
    return Credentials(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env.get("AWS_SESSION_TOKEN", ""))
