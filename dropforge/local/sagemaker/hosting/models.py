"""Models and endpoint configurations: what could be served, and how."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from dropforge.local.sagemaker import listing, roles, tags
from dropforge.local.sagemaker.errors import SageMakerError
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.hosting import fields, refusals
from dropforge.local.sagemaker.places import split_uri
from dropforge.local.sagemaker.store import Doc, TakenError
from dropforge.local.sagemaker.wire.operation import Operation

MODEL, CONFIG = "model", "endpoint-config"


class Models:
    """The operations on models and endpoint configurations. `package` gives the container of a model package."""

    def __init__(self, ground: Ground, package: Callable[[str], Doc]) -> None:
        self._store = ground.store
        self._account = ground.account
        self._client = ground.client
        self._images = ground.images
        self._package = package

    def operations(self) -> dict[str, Operation]:
        return {
            "CreateModel": Operation(self.create_model, fields.MODEL_UNUSED, fields.MODEL_REFUSED),
            "DescribeModel": Operation(self.describe_model),
            "DeleteModel": Operation(self.delete_model),
            "ListModels": Operation(self.list_models),
            "CreateEndpointConfig": Operation(self.create_config, fields.CONFIG_UNUSED, fields.CONFIG_REFUSED),
            "DescribeEndpointConfig": Operation(self.describe_config),
            "DeleteEndpointConfig": Operation(self.delete_config),
            "ListEndpointConfigs": Operation(self.list_configs),
        }

    def create_model(self, request: Mapping[str, Any]) -> Doc:
        name = request["ModelName"]
        arn = self._account.arn(MODEL, name)
        if self._store.get(MODEL, name) is not None:
            raise _taken("model", arn)
        if not request.get("ExecutionRoleArn"):
            raise refusals.NO_ROLE(name=name)
        roles.check(self._account, request["ExecutionRoleArn"])
        found = self._container(request)
        doc: Doc = {key: value for key, value in request.items() if key not in {"Tags", "Containers"}}
        doc |= {"PrimaryContainer": found} if request.get("PrimaryContainer") else {"Containers": [found]}
        doc |= {"ModelArn": arn, "CreationTime": time.time()}
        doc |= {"EnableNetworkIsolation": bool(request.get("EnableNetworkIsolation"))}
        doc["_tags"] = tags.given(request)
        self._create(MODEL, name, doc, "model", arn)
        return {"ModelArn": arn}

    def describe_model(self, request: Mapping[str, Any]) -> Doc:
        return self._find(MODEL, request["ModelName"], "model")

    def delete_model(self, request: Mapping[str, Any]) -> Doc:
        return self._delete(MODEL, request["ModelName"], "model")

    def list_models(self, request: Mapping[str, Any]) -> Doc:
        found, more = listing.page(self._store, listing.Ask(MODEL, request, at_once=True))
        return {
            "Models": [{key: doc[key] for key in ("ModelName", "ModelArn", "CreationTime")} for doc in found],
            **more,
        }

    def create_config(self, request: Mapping[str, Any]) -> Doc:
        name = request["EndpointConfigName"]
        arn = self._account.arn(CONFIG, name)
        roles.check(self._account, request.get("ExecutionRoleArn"))
        if (capture := request.get("DataCaptureConfig")) and capture.get("EnableCapture", True):
            raise refusals.CAPTURED()
        isolated = bool(request.get("EnableNetworkIsolation"))
        variants = [self._variant(variant, isolated) for variant in request["ProductionVariants"]]
        shadows = [self._variant(variant, isolated) for variant in request.get("ShadowProductionVariants", ())]
        _check_together(variants, shadows)
        if queue := request.get("AsyncInferenceConfig"):
            _check_queue(name, queue, variants + shadows)
        if any(variant.get("ServerlessConfig") for variant in variants) and _is_apart(request):
            raise refusals.SERVERLESS_APART(model=variants[0]["ModelName"])
        doc: Doc = {key: value for key, value in request.items() if key != "Tags"}
        doc |= {"ShadowProductionVariants": shadows} if shadows else {}
        doc |= {"ProductionVariants": variants, "EndpointConfigArn": arn, "CreationTime": time.time()}
        doc["_tags"] = tags.given(request)
        self._create(CONFIG, name, doc, "endpoint configuration", arn)
        return {"EndpointConfigArn": arn}

    def describe_config(self, request: Mapping[str, Any]) -> Doc:
        return self._find(CONFIG, request["EndpointConfigName"], "endpoint configuration")

    def delete_config(self, request: Mapping[str, Any]) -> Doc:
        return self._delete(CONFIG, request["EndpointConfigName"], "endpoint configuration")

    def list_configs(self, request: Mapping[str, Any]) -> Doc:
        found, more = listing.page(self._store, listing.Ask(CONFIG, request, at_once=True))
        keys = ("EndpointConfigName", "EndpointConfigArn", "CreationTime")
        return {"EndpointConfigs": [{key: doc[key] for key in keys} for doc in found], **more}

    def _container(self, request: Mapping[str, Any]) -> Doc:
        """Give the one container of a model; what it names must exist."""
        primary, several = request.get("PrimaryContainer"), list(request.get("Containers", ()))
        if primary and several:
            raise refusals.BOTH_CONTAINERS(name=request["ModelName"])
        given = [primary] if primary else several
        if len(given) != 1:
            raise refusals.ONE_CONTAINER(count=len(given))
        container: Doc = dict(given[0])
        if container.get("ModelPackageName"):
            packaged = self._package(container["ModelPackageName"])
            container = {
                **packaged,
                **container,
                "Environment": {**packaged.get("Environment", {}), **container.get("Environment", {})},
            }
        if not container.get("Image"):
            raise refusals.NO_IMAGE(name=request["ModelName"])
        self._images.check(container["Image"], isolated_server=bool(request.get("EnableNetworkIsolation")))
        self._check_data(container.get("ModelDataUrl"))
        return container

    def _check_data(self, uri: str | None) -> None:
        if not uri:
            return
        if not uri.endswith(".tar.gz"):
            raise refusals.BAD_DATA_NAME(uri=uri)
        bucket, key = split_uri(uri)
        try:
            self._client("s3").head_object(Bucket=bucket, Key=key)
        except (BotoCoreError, ClientError) as error:  # the former for what cannot be a bucket's name
            raise refusals.NO_DATA(uri=uri) from error

    def _variant(self, given: Mapping[str, Any], isolated: bool) -> Doc:  # noqa: FBT001 - as the request has it
        if not given.get("ModelName"):
            raise refusals.NO_MODEL(variant=given["VariantName"])
        if serverless := given.get("ServerlessConfig"):
            if given.get("InstanceType") or given.get("InitialInstanceCount"):
                raise refusals.BOTH_KINDS(variant=given["VariantName"])
            if serverless["MemorySizeInMB"] % 1024:
                raise refusals.BAD_MEMORY(memory=serverless["MemorySizeInMB"])
        elif not given.get("InstanceType") or not given.get("InitialInstanceCount"):
            raise refusals.NO_INSTANCE(variant=given["VariantName"])
        model = self._find(MODEL, given["ModelName"], "model")
        if serverless and _is_apart(model):
            raise refusals.SERVERLESS_APART(model=given["ModelName"])
        if isolated:
            self._images.check(model["PrimaryContainer"]["Image"], isolated_server=True)
        return {"InitialVariantWeight": 1.0, **given}

    def _create(self, kind: str, name: str, doc: Doc, called: str, arn: str) -> None:
        try:
            self._store.create(kind, name, doc)
        except TakenError as error:
            raise _taken(called, arn) from error

    def _find(self, kind: str, name: str, called: str) -> Doc:
        doc = self._store.get(kind, name)
        if doc is None:
            raise refusals.MISSING(kind=called, arn=self._account.arn(kind, name))
        return doc

    def _delete(self, kind: str, name: str, called: str) -> Doc:
        """Delete it, in use or not: AWS says that one must not, but refuses nothing, and what serves goes on serving.

        https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DeleteEndpointConfig.html
        """
        if not self._store.delete(kind, name):
            raise refusals.MISSING(kind=called, arn=self._account.arn(kind, name))
        return {}


def container(model: Mapping[str, Any]) -> Doc:
    """Give the one container of a model, by whichever member it was given."""
    found: Doc = model.get("PrimaryContainer") or model["Containers"][0]
    return found


def _taken(called: str, arn: str) -> SageMakerError:
    return refusals.TAKEN(kind=called, arn=arn)


def _check_together(variants: list[Doc], shadows: list[Doc]) -> None:
    """Raise the refusal of variants that do not go together."""
    names = [variant["VariantName"] for variant in variants + shadows]
    if len(set(names)) != len(names):
        raise refusals.SAME_VARIANT(names=", ".join(names))
    if shadows and len(names) > 2:  # noqa: PLR2004 - one that answers, and its shadow
        raise refusals.ONE_SHADOW(names=", ".join(names))
    inferentia = [each for each in map(_type, variants + shadows) if each.startswith("ml.inf1.")]
    if shadows and inferentia:
        raise refusals.SHADOW_OF_INF1(types=", ".join(inferentia))
    if len(names) > 1 and any(variant.get("ServerlessConfig") for variant in variants + shadows):
        raise refusals.SERVERLESS_ALONE(names=", ".join(names))


def _is_apart(asked: Mapping[str, Any]) -> bool:
    return bool(asked.get("VpcConfig") or asked.get("EnableNetworkIsolation"))


def _type(variant: Mapping[str, Any]) -> str:
    return str(variant.get("InstanceType", ""))


def _check_queue(name: str, queue: Mapping[str, Any], variants: list[Doc]) -> None:
    if not queue["OutputConfig"].get("S3OutputPath"):
        raise refusals.NO_OUTPUT(name=name)
    if len(variants) > 1 or variants[0].get("ServerlessConfig"):
        raise refusals.ASYNC_ALONE(names=", ".join(variant["VariantName"] for variant in variants))
