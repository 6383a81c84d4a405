"""Reads back from a deployed stack what must be delivered: functions, queue mappings, schedules, HTTP routes, keys.

Nothing about triggers is known from anywhere else: what the stack does not say does not happen.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dropforge.local.stack import Client

_SIX_HOURS = 6 * 3600


@dataclass(frozen=True, slots=True)
class Function:
    """One function as deployed; times in seconds, memory in MB."""

    name: str
    arn: str
    handler: str
    timeout: int
    memory: int
    environment: Mapping[str, str] = field(default_factory=dict)
    retries: int = 2
    max_age: int = _SIX_HOURS
    on_failure: str | None = None
    """ARN of the destination of failed asynchronous invocations."""
    dead_letters: str | None = None
    """ARN of the function's own dead-letter queue."""
    reserved: int | None = None


@dataclass(frozen=True, slots=True)
class QueueMapping:
    """An event source mapping from a queue."""

    id: str
    queue_url: str
    queue_arn: str
    function: str
    batch_size: int
    window: int
    partial: bool
    concurrency: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """A rule that fires by itself; targets with their constant input, if they have one."""

    arn: str
    expression: str
    targets: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path; `method` may be ANY."""

    path: str
    method: str
    function: str
    signed: bool
    key_required: bool


@dataclass(frozen=True, slots=True)
class GatewayResponse:
    """What the gateway itself answers in one case."""

    status: int | None
    templates: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Api:
    """A deployed REST API at one stage."""

    id: str
    stage: str
    routes: tuple[Route, ...]
    binary_types: frozenset[str]
    responses: Mapping[str, GatewayResponse]
    keys: Mapping[str, str]
    """API keys of the stage's usage plans: value → id."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """All of a stack that the local cloud acts on."""

    name: str
    outputs: Mapping[str, str]
    functions: tuple[Function, ...]
    mappings: tuple[QueueMapping, ...]
    schedules: tuple[Schedule, ...]
    apis: tuple[Api, ...]

    @property
    def api_key(self) -> str | None:
        """The key that the output ApiKeyId names; else the only one there is."""
        keys = {key_id: value for api in self.apis for value, key_id in api.keys.items()}
        return keys.get(self.outputs.get("ApiKeyId", "")) or next(iter(keys.values()), None)


def read(client: Client, name: str) -> Deployed:
    """Read a stack and all that it made."""
    cloudformation = client("cloudformation")
    stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
    made = [(r["ResourceType"], r["PhysicalResourceId"]) for page in pages for r in page["StackResourceSummaries"]]

    def ids(kind: str) -> list[str]:
        return [physical for type_, physical in made if type_ == kind]

    processed = _processed(cloudformation, name)
    return Deployed(
        name=name,
        outputs={out["OutputKey"]: out["OutputValue"] for out in stack.get("Outputs", [])},
        functions=tuple(_function(client("lambda"), each) for each in ids("AWS::Lambda::Function")),
        mappings=tuple(_mappings(client, ids("AWS::Lambda::EventSourceMapping"))),
        schedules=tuple(_schedules(client("events"), ids("AWS::Events::Rule"))),
        apis=tuple(
            api
            for each in ids("AWS::ApiGateway::RestApi")
            for api in _apis(client("apigateway"), each, ids("AWS::ApiGateway::Stage"), _bodies(processed))
        ),
    )


def is_mapping_enabled(client: Client, mapping: QueueMapping) -> bool:
    """Ask whether an event source mapping is to be polled now: people switch it off and on while it is deployed."""
    return bool(client("lambda").get_event_source_mapping(UUID=mapping.id)["State"] == "Enabled")


def is_rule_enabled(client: Client, schedule: Schedule) -> bool:
    """Ask whether a rule's schedule is to fire now."""
    bus, _, name = schedule.arn.rpartition(":rule/")[2].rpartition("/")
    found = client("events").describe_rule(Name=name, **({"EventBusName": bus} if bus else {}))
    return bool(found["State"] == "ENABLED")


def _function(awslambda: Any, name: str) -> Function:
    config = awslambda.get_function_configuration(FunctionName=name)
    try:
        invoke = awslambda.get_function_event_invoke_config(FunctionName=name, Qualifier="$LATEST")
    except awslambda.exceptions.ResourceNotFoundException:
        invoke = {}
    reserved = awslambda.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
    return Function(
        name=config["FunctionName"],
        arn=config["FunctionArn"],
        handler=config["Handler"],
        timeout=config["Timeout"],
        memory=config["MemorySize"],
        environment=config.get("Environment", {}).get("Variables", {}),
        retries=invoke.get("MaximumRetryAttempts", 2),
        max_age=invoke.get("MaximumEventAgeInSeconds", _SIX_HOURS),
        on_failure=invoke.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination"),
        dead_letters=config.get("DeadLetterConfig", {}).get("TargetArn"),
        reserved=reserved,
    )


def _mappings(client: Client, ids: Iterable[str]) -> Iterator[QueueMapping]:
    sqs = client("sqs")
    for each in ids:
        found = client("lambda").get_event_source_mapping(UUID=each)
        if ":sqs:" not in found["EventSourceArn"]:
            continue
        arn = found["EventSourceArn"]
        yield QueueMapping(
            id=each,
            queue_url=sqs.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"],
            queue_arn=arn,
            function=found["FunctionArn"].split(":")[6],
            batch_size=found.get("BatchSize", 10),
            window=found.get("MaximumBatchingWindowInSeconds", 0),
            partial="ReportBatchItemFailures" in found.get("FunctionResponseTypes", []),
            concurrency=found.get("ScalingConfig", {}).get("MaximumConcurrency", 2),
        )


def _schedules(events: Any, rules: Iterable[str]) -> Iterator[Schedule]:
    for rule in rules:
        bus, _, name = rule.rpartition("|")
        found = events.describe_rule(Name=name, **({"EventBusName": bus} if bus else {}))
        if found.get("ScheduleExpression"):
            targets = events.list_targets_by_rule(Rule=name)["Targets"]
            pairs = tuple((target["Arn"], target.get("Input")) for target in targets)
            yield Schedule(found["Arn"], found["ScheduleExpression"], pairs)


def _apis(gateway: Any, api: str, stages: Iterable[str], bodies: Sequence[Mapping[str, Any]]) -> Iterator[Api]:
    resources = gateway.get_resources(restApiId=api, embed=["methods"], limit=500)["items"]
    routes = tuple(
        Route(
            path=resource["path"],
            method=method,
            function=_integrated(details["methodIntegration"]["uri"]),
            signed=details["authorizationType"] == "AWS_IAM",
            key_required=details["apiKeyRequired"],
        )
        for resource in resources
        for method, details in resource.get("resourceMethods", {}).items()
    )
    said = {kind: it for body in bodies for kind, it in body.get("x-amazon-apigateway-gateway-responses", {}).items()}
    made = gateway.get_gateway_responses(restApiId=api, limit=500)["items"]
    said |= {it["responseType"]: it for it in made if not it["defaultResponse"]}
    responses = {kind: _gateway_response(it) for kind, it in said.items()}
    binary_types = frozenset(each for body in bodies for each in body.get("x-amazon-apigateway-binary-media-types", []))
    declared = frozenset(gateway.get_rest_api(restApiId=api).get("binaryMediaTypes", []))
    for stage in stages:
        yield Api(api, stage, routes, binary_types | declared, responses, _keys(gateway, api, stage))


def _integrated(uri: str) -> str:
    """Read the function's name from an integration's uri."""
    return uri.partition("/functions/")[2].removesuffix("/invocations").split(":")[6]


def _gateway_response(said: Mapping[str, Any]) -> GatewayResponse:
    return GatewayResponse(
        status=int(said["statusCode"]) if said.get("statusCode") else None,
        templates=said.get("responseTemplates", {}),
        headers=_gateway_headers(said.get("responseParameters", {})),
    )


def _gateway_headers(parameters: Mapping[str, str]) -> dict[str, str]:
    prefix = "gatewayresponse.header."
    return {key.removeprefix(prefix): value for key, value in parameters.items() if key.startswith(prefix)}


def _keys(gateway: Any, api: str, stage: str) -> dict[str, str]:
    keys = {}
    for plan in gateway.get_usage_plans(limit=500)["items"]:
        if any(each["apiId"] == api and each["stage"] == stage for each in plan.get("apiStages", [])):
            for key in gateway.get_usage_plan_keys(usagePlanId=plan["id"], limit=500)["items"]:
                found = gateway.get_api_key(apiKey=key["id"], includeValue=True)
                if found["enabled"]:
                    keys[found["value"]] = found["id"]
    return keys


def _processed(cloudformation: Any, name: str) -> dict[str, Any]:
    body = cloudformation.get_template(StackName=name, TemplateStage="Processed")["TemplateBody"]
    return dict(json.loads(body)) if isinstance(body, str) else dict(body)


def _bodies(processed: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Give the APIs' swagger: ministack takes neither binary media types nor gateway responses over from there."""
    return tuple(
        resource.get("Properties", {}).get("Body", {})
        for resource in processed.get("Resources", {}).values()
        if resource["Type"] == "AWS::ApiGateway::RestApi"
    )
