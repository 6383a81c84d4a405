"""Every trigger and every route: read the event, hand it to a flow, reply.

All functions share this file and its zip, so the top imports only what the lightest of them needs; the rest stands
behind wiring.py until it is first asked for. What CloudFormation adds (queues, rules, gateway responses) is in infra/.
"""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools import Logger
from chalice.app import Chalice, CloudWatchEvent, ConvertToMiddleware, Rate, SQSEvent

from chalicelib import deliver, events, sending, wiring
from chalicelib.http import (
    checks,
    clients,
    news,
    operators,
    pausing,
    release_orders,
    run_orders,
    simulations,
    starts,
    timelines,
)
from chalicelib.media import BINARY_TYPES
from chalicelib.settings import check_before_deployment, names_from_env

check_before_deployment(os.environ)
DEPLOYMENT = names_from_env(os.environ).deployment
NAMES = names_from_env(os.environ).head
"""What every name of this stage starts with: event filters match on it, or every job of the account would wake us."""

app = Chalice(app_name="dropforge", configure_logs=False)
app.api.binary_types = list(BINARY_TYPES)
app.register_middleware(ConvertToMiddleware(Logger(service="dropforge").inject_lambda_context))
for trigger in ("sqs", "cloudwatch", "scheduled"):
    app.register_middleware(sending.around, trigger)
app.register_blueprint(clients.open_door.routes)
app.register_blueprint(clients.door.routes)
app.register_blueprint(clients.predictions)
app.register_blueprint(operators.door.routes)
app.register_blueprint(pausing.door.routes)
app.register_blueprint(release_orders.door.routes)
app.register_blueprint(run_orders.door.routes)
app.register_blueprint(starts.door.routes)
app.register_blueprint(timelines.door.routes)
app.register_blueprint(simulations.door.routes)
app.register_blueprint(checks.door.routes)
app.register_blueprint(news.door.routes)


@app.on_sqs_message(queue=f"{NAMES}uploads", batch_size=100, maximum_batching_window_in_seconds=1)
def on_uploads(event: SQSEvent) -> dict[str, Any]:
    return deliver.uploads(wiring.flows(), event.to_dict())


@app.on_sqs_message(queue=f"{NAMES}wake", batch_size=10)
def on_wake(event: SQSEvent) -> dict[str, Any]:
    return deliver.wakes(wiring.flows(), event.to_dict())


@app.on_sqs_message(queue=f"{NAMES}news", batch_size=5)
def on_news(event: SQSEvent) -> dict[str, Any]:
    return deliver.news(wiring.flows(), event.to_dict())


@app.on_cw_event(
    {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Training Job State Change"],
        "detail": {"TrainingJobName": [{"prefix": NAMES}]},
    }
)
def on_job_changed(event: CloudWatchEvent) -> None:
    deliver.job(wiring.flows(), events.job_changed(event.to_dict()))


@app.on_cw_event(
    {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Endpoint State Change"],
        "detail": {"EndpointName": [{"prefix": NAMES}]},
    }
)
def on_endpoint_changed(event: CloudWatchEvent) -> None:
    deliver.endpoint(wiring.flows(), events.endpoint_changed(event.to_dict()))


@app.on_cw_event(
    {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Model Package State Change"],
        "detail": {"ModelPackageGroupName": [{"prefix": NAMES}]},
    }
)
def on_package_changed(event: CloudWatchEvent) -> None:
    deliver.package(wiring.flows(), events.package_changed(event.to_dict()))


@app.on_cw_event(
    {
        "source": [{"anything-but": {"prefix": "aws."}}],
        "detail-type": ["Dropforge Run Requested"],
        "detail": {"deployment": [DEPLOYMENT]},
    }
)
def on_run_requested(event: CloudWatchEvent) -> None:
    deliver.run_requested(wiring.flows(), events.run_requested(event.to_dict()))


@app.schedule(Rate(1, unit=Rate.MINUTES))
def reconcile(_: CloudWatchEvent) -> None:
    deliver.tick(wiring.flows())


@app.lambda_function()
def predict(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer a client; infra/ points this function straight at the handler, which imports no Chalice."""
    from chalicelib.predict.handler import handle

    return handle(event, context)
