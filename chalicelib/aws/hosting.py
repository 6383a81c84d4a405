"""Models, endpoint configurations and endpoints, in SageMaker; and the calls that smoke tests make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from chalicelib.aws.clients import Clients, shared
from chalicelib.aws.errors import sagemaker
from chalicelib.aws.tags import tags
from chalicelib.errors import (
    AlreadyExistsError,
    ConflictError,
    InvocationError,
    InvocationTimeoutError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)
from chalicelib.ports import Answer, ConfigRequest, EndpointSeen, ModelRequest
from chalicelib.settings import Settings

_REHEARSAL = "-rehearse-"
_PAGES = 10


class Hosting:
    def __init__(self, settings: Settings, clients: Clients | None = None) -> None:
        self._clients = clients or shared(settings.region)
        self._settings = settings

    def ensure_model(self, model: ModelRequest) -> None:
        container = {"Image": model.image, "ModelDataUrl": model.model_uri, "Environment": dict(model.environment)}
        try:
            with sagemaker():
                self._sagemaker.create_model(
                    ModelName=model.name,
                    PrimaryContainer=container,
                    ExecutionRoleArn=self._settings.job_role,
                    Tags=tags(self._settings.names, model.name),
                )
        except AlreadyExistsError as error:
            with _seen_soon(model.name), sagemaker():
                found = self._sagemaker.describe_model(ModelName=model.name)
            kept = found.get("PrimaryContainer", {}).get("Environment", {}).get("DROPFORGE_REQUEST")
            if kept != model.environment.get("DROPFORGE_REQUEST"):
                raise ConflictError(f"The model {model.name} holds something else.", name=model.name) from error

    def ensure_config(self, config: ConfigRequest) -> None:
        variant = {
            "VariantName": config.variant,
            "ModelName": config.model,
            "InstanceType": config.instance_type,
            "InitialInstanceCount": config.instance_count,
        }
        try:
            with sagemaker():
                self._sagemaker.create_endpoint_config(
                    EndpointConfigName=config.name,
                    ProductionVariants=[{**variant, "InitialVariantWeight": 1.0}],
                    Tags=tags(self._settings.names, config.name),
                )
        except AlreadyExistsError as error:
            with _seen_soon(config.name), sagemaker():
                found = self._sagemaker.describe_endpoint_config(EndpointConfigName=config.name)
            kept = [{key: each.get(key) for key in variant} for each in found["ProductionVariants"]]
            if kept != [variant]:
                told = f"The endpoint configuration {config.name} holds something else."
                raise ConflictError(told, name=config.name) from error

    def endpoint(self, name: str) -> EndpointSeen | None:
        try:
            with sagemaker():
                found = self._sagemaker.describe_endpoint(EndpointName=name)
        except NotFoundError:
            return None
        return EndpointSeen(
            name=found["EndpointName"],
            status=found["EndpointStatus"],
            config=found.get("EndpointConfigName"),
            reason=found.get("FailureReason") or None,
            created_at=found["CreationTime"].timestamp(),
        )

    def create_endpoint(self, name: str, config: str) -> None:
        with sagemaker():
            self._sagemaker.create_endpoint(
                EndpointName=name, EndpointConfigName=config, Tags=tags(self._settings.names, name)
            )

    def update_endpoint(self, name: str, config: str) -> None:
        try:
            with sagemaker():
                # What the new configuration says of weights and counts is meant; nothing is kept from the old one.
                self._sagemaker.update_endpoint(
                    EndpointName=name, EndpointConfigName=config, RetainAllVariantProperties=False
                )
        except RefusedError as error:
            raise ConflictError(error.message, name=name) from error

    def delete_endpoint(self, name: str) -> None:
        try:
            with sagemaker():
                self._sagemaker.delete_endpoint(EndpointName=name)
        except NotFoundError:
            return
        except (ConflictError, RefusedError) as error:
            seen = self.endpoint(name)
            if seen is not None and seen.status != "Deleting":
                raise ConflictError(error.message, name=name, status=seen.status) from error

    def delete_config(self, name: str) -> None:
        try:
            with sagemaker():
                self._sagemaker.delete_endpoint_config(EndpointConfigName=name)
        except NotFoundError:
            return

    def delete_model(self, name: str) -> None:
        try:
            with sagemaker():
                self._sagemaker.delete_model(ModelName=name)
        except NotFoundError:
            return

    def rehearsals(self, *, limit: int) -> Sequence[EndpointSeen]:
        head = self._settings.names.head
        ours = (seen for seen in self._endpoints(head) if seen.name.startswith(head) and _REHEARSAL in seen.name)
        return list(islice(ours, limit))

    def invoke(self, endpoint: str, payload: bytes, *, content_type: str, accept: str, seconds: float) -> Answer:
        with sagemaker():
            return _ask(self._clients.runtime(seconds), endpoint, payload, content_type, accept)

    def _endpoints(self, part: str) -> Iterator[EndpointSeen]:
        """List endpoints by a part of their names: the stage's, since strangers may rehearse, too, by the hundred."""
        asked = {"NameContains": part, "SortBy": "CreationTime", "SortOrder": "Ascending", "MaxResults": 100}
        for _ in range(_PAGES):
            with sagemaker():
                answer = self._sagemaker.list_endpoints(**asked)
            for each in answer["Endpoints"]:
                made = each["CreationTime"].timestamp()
                yield EndpointSeen(each["EndpointName"], each["EndpointStatus"], None, None, made)
            if not answer.get("NextToken"):
                return
            asked["NextToken"] = answer["NextToken"]

    @property
    def _sagemaker(self) -> Any:
        return self._clients.get("sagemaker")


@contextmanager
def _seen_soon(name: str) -> Iterator[None]:
    """Describe may not know yet what Create calls taken: that is no reason to give up what is to be served."""
    try:
        yield
    except NotFoundError as error:
        raise UnavailableError(f"SageMaker does not show {name} yet.", name=name) from error


def _ask(runtime: Any, endpoint: str, payload: bytes, content_type: str, accept: str) -> Answer:
    try:
        answer = runtime.invoke_endpoint(EndpointName=endpoint, Body=payload, ContentType=content_type, Accept=accept)
        body = bytes(answer["Body"].read())
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in {"ModelError", "ModelNotReadyException"}:
            raise
        raise _invocation_error(error) from error
    except ReadTimeoutError as error:
        raise InvocationTimeoutError from error
    return Answer(body, answer.get("ContentType", ""), answer.get("CustomAttributes", ""))


def _invocation_error(error: ClientError) -> InvocationError | InvocationTimeoutError:
    """ModelError is a 424 that carries the container's own answer; its time-out looks like one, too."""
    told = error.response.get("OriginalMessage") or error.response.get("Error", {}).get("Message", "")
    if "timed out" in told.lower():
        return InvocationTimeoutError(told)
    status = error.response.get("OriginalStatusCode")
    return InvocationError(told, container_status=status, body=told)
