"""SageMaker's runtime: containers that answer as their models learned."""

from __future__ import annotations

import io
import json
from typing import Any

from tests.proof.cloud.errors import refusal
from tests.proof.cloud.sagemaker import Sagemaker

RIGHT = "7"
"""What a good model sees in the picture of the smoke test."""


class Runtime:
    def __init__(self, sagemaker: Sagemaker) -> None:
        self.sagemaker = sagemaker

    def invoke_endpoint(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = asked["EndpointName"]
        it = self.sagemaker.endpoints.get(name)
        if it is None or it.status not in {"InService", "Updating"}:
            raise refusal("ValidationError", f"Endpoint {name} of account 000000000000 not found.")
        told = self.sagemaker.words(it.config)
        label = told.get("answers", RIGHT)
        self.sagemaker.invoked(name, it.config, right=label == RIGHT and "breaks" not in told)
        if "breaks" in told:
            message = "Received server error (500) from main."
            raise refusal("ModelError", message, status=424, OriginalStatusCode=500, OriginalMessage="it broke")
        body = {"predictions": [{"label": label, "score": 0.98}, {"label": "1", "score": 0.02}]}
        return {"Body": io.BytesIO(json.dumps(body).encode()), "ContentType": "application/json"}
