"""The bare boto3 handler that bench/predict.py compares with: no checks, no problem documents, the same two calls."""

from __future__ import annotations

import base64
import json
import os
import time
from typing import Any

import boto3

_runtime = boto3.client("sagemaker-runtime")
_table = boto3.client("dynamodb")
_known: dict[str, tuple[float, dict[str, Any]]] = {}


def handle(event: dict[str, Any], _: object) -> dict[str, Any]:
    model = event["pathParameters"]["model"]
    serving = _serving(model)
    answer = _runtime.invoke_endpoint(
        EndpointName=serving["endpoint"],
        Body=base64.b64decode(event["body"]),
        ContentType=event["headers"]["Content-Type"],
        Accept="application/json",
    )
    scores = json.loads(answer["Body"].read())
    best = sorted(zip(scores, serving["labels"], strict=True), reverse=True)
    predictions = [{"label": label, "score": score} for score, label in best]
    body = {"results": [{"predictions": predictions}], "model": {"name": model, "run": serving["run"]}}
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(body)}


def _serving(model: str) -> dict[str, Any]:
    until, serving = _known.get(model, (0.0, {}))
    if until <= time.monotonic():
        key = {"pk": {"S": f"serving#{model}"}, "sk": {"S": "serving"}}
        item = _table.get_item(TableName=os.environ["DROPFORGE_TABLE"], Key=key)["Item"]
        serving = json.loads(item["doc"]["S"])
        _known[model] = (time.monotonic() + 5, serving)
    return serving
