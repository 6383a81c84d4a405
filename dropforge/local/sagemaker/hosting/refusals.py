"""What hosting refuses, row by row."""

from __future__ import annotations

from dropforge.local.sagemaker.wire.refusal import ASSUMED, OURS, Refusal

_VALIDATION = "ValidationException"
_RUNTIME_VALIDATION = "ValidationError"
_INVOKE_ASYNC = "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpointAsync.html"
_INVOKE = "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html"
_API = "https://docs.aws.amazon.com/sagemaker/latest/APIReference"
_GUIDE = "https://docs.aws.amazon.com/sagemaker/latest/dg"
_ROUTING = f"{_API}/API_TrafficRoutingConfig.html"
_CREATE_VARIANT = f"{_API}/API_ProductionVariant.html"

TAKEN = Refusal(
    "there is a model, a configuration or an endpoint by that name already",
    _VALIDATION,
    'Cannot create already existing {kind} "{arn}".',
    f"{_API}/API_CreateEndpoint.html",
)
MISSING = Refusal(
    "it names a model, a configuration or an endpoint that is not there",
    _VALIDATION,
    'Could not find {kind} "{arn}".',
    f"{_API}/API_DescribeEndpoint.html",
)
UPDATE_FAILED = Refusal(
    "an endpoint that has failed, or whose rollback has, is to be updated",
    _VALIDATION,
    'Cannot update failed endpoint "{arn}".',
    f"{_API}/API_DescribeEndpoint.html",
)
UPDATE_BUSY = Refusal(
    "an endpoint that is being made, updated or deleted is to be updated; what it should become is not looked at then",
    _VALIDATION,
    'Cannot update in-progress endpoint "{arn}".',
    f"{_API}/API_UpdateEndpoint.html",
)
DELETE_BUSY = Refusal(
    "an endpoint that is being made or updated is to be deleted",
    _VALIDATION,
    'Cannot update in-progress endpoint "{arn}".',
    f"{_API}/API_DeleteEndpoint.html",
)
SAME_VARIANT = Refusal(
    "two variants of a configuration have one name",
    _VALIDATION,
    "Production variant names must be unique within an endpoint configuration: {names}.",
    _CREATE_VARIANT,
)
CAPTURED = Refusal(
    "a configuration asks for data to be captured: its DataCaptureConfig does not say that EnableCapture is false",
    _VALIDATION,
    "DataCaptureConfig is not in the local cloud: nothing is captured.",
    OURS,
)
NO_MODEL = Refusal(
    "a variant names no model",
    _VALIDATION,
    "The local cloud needs the ModelName of each production variant; {variant} has none.",
    OURS,
)
NO_INSTANCE = Refusal(
    "a variant names no instance type or no number of instances",
    _VALIDATION,
    "A production variant needs InstanceType and InitialInstanceCount; {variant} lacks one.",
    _CREATE_VARIANT,
)
ONE_CONTAINER = Refusal(
    "a model has no container, or several",
    _VALIDATION,
    "The local cloud serves models of one container, not {count}: give PrimaryContainer.",
    OURS,
)
BOTH_CONTAINERS = Refusal(
    "a model has both a PrimaryContainer and Containers",
    _VALIDATION,
    "The model {name} takes either PrimaryContainer or Containers, not both.",
    ASSUMED,
)
NO_ROLE = Refusal("a model names no role", _VALIDATION, "The model {name} needs an ExecutionRoleArn.", ASSUMED)
NO_IMAGE = Refusal("a container names no image", _VALIDATION, "The container of {name} has no Image.", ASSUMED)
BAD_DATA_NAME = Refusal(
    "model data is not an archive",
    _VALIDATION,
    "ModelDataUrl {uri} must end in .tar.gz.",
    f"{_API}/API_ContainerDefinition.html",
)
NO_DATA = Refusal(
    "model data is not there",
    _VALIDATION,
    "Could not find model data at {uri}.",
    f"{_API}/API_ContainerDefinition.html",
)
NO_VARIANT = Refusal(
    "weights or capacities name a variant that the endpoint has not",
    _VALIDATION,
    'Could not find variant "{variant}" in endpoint "{arn}".',
    f"{_API}/API_UpdateEndpointWeightsAndCapacities.html",
)
NO_CAPACITY = Refusal(
    "a variant that answers at once is to have no instance",
    _VALIDATION,
    'The desired instance count of variant "{variant}" must be at least 1.',
    ASSUMED,
)
TWO_POLICIES = Refusal(
    "a deployment is to be blue/green and rolling",
    _VALIDATION,
    "Only one update policy can be given, not {policies}.",
    f"{_API}/API_DeploymentConfig.html",
)
SIZE_WANTED = Refusal(
    "traffic is to move in steps of no size, or a size is given where it does not move in such steps",
    _VALIDATION,
    "{member} must be given with the traffic routing type {kind}, and with no other.",
    _ROUTING,
)
SIZE_RANGE = Refusal(
    "a step of a deployment is too small or too large",
    _VALIDATION,
    "{member} must be between {least}% and {most}% of the variant's {count} instances.",
    _ROUTING,
)
TOO_SHORT = Refusal(
    "the waits of a deployment take longer than it may",
    _VALIDATION,
    "MaximumExecutionTimeoutInSeconds must be larger than the {waits} seconds that the deployment waits.",
    f"{_API}/API_BlueGreenUpdatePolicy.html",
)
OTHER_VARIANTS = Refusal(
    "a deployment in steps goes to a configuration with other variants",
    _VALIDATION,
    "The new endpoint configuration must have the variants of the old one: {names}.",
    f"{_GUIDE}/deployment-guardrails-exclusions.html",
)
ROLLING_ALONE = Refusal(
    "several variants are to be updated by a rolling deployment",
    _VALIDATION,
    "A rolling deployment takes an endpoint with one variant, not {count}.",
    f"{_GUIDE}/deployment-guardrails-exclusions.html",
)
NO_ALARM = Refusal(
    "a deployment is to watch an alarm that is not there", _VALIDATION, "Could not find the alarms: {names}.", ASSUMED
)
NO_SUCH_CALL = Refusal(
    "the runtime is asked for what it has not here",
    "UnsupportedOperation",
    "This operation of the runtime is not in the local cloud.",
    OURS,
)
TOO_LARGE = Refusal(
    "the body of an invocation is too large",
    _RUNTIME_VALIDATION,
    "1 validation error detected: Value at 'body' failed to satisfy constraint: Member must have length less than or"
    " equal to {largest}",
    f"{_GUIDE}/hosting-faqs.html",
)
NO_ENDPOINT = Refusal(
    "an endpoint is invoked that does not serve",
    _RUNTIME_VALIDATION,
    "Endpoint {endpoint} of account {account} not found.",
    _INVOKE,
)
NO_TARGET = Refusal(
    "an invocation names a variant that the endpoint has not",
    _RUNTIME_VALIDATION,
    "Variant {variant} not found in endpoint {endpoint}.",
    _INVOKE,
)
NO_SESSION = Refusal(
    "an invocation goes on with a session that nobody opened, that has expired, or whose server is gone",
    _RUNTIME_VALIDATION,
    "Session {session} of endpoint {endpoint} not found.",
    ASSUMED,
)
NOBODY = Refusal(
    "no server of the endpoint is healthy",
    "ServiceUnavailable",
    "No server of endpoint {endpoint} is healthy.",
    _INVOKE,
    status=503,
)
THROTTLED = Refusal(
    "a serverless endpoint has as many requests to answer as it may",
    "ThrottlingException",
    "Rate exceeded: endpoint {endpoint} answers {most} requests at once.",
    f"{_GUIDE}/serverless-endpoints.html",
    status=429,
)
NOT_READY = Refusal(
    "a server of a serverless endpoint does not come up in time",
    "ModelNotReadyException",
    "Model for endpoint {endpoint}, variant {variant}, is not ready for inference yet.",
    _INVOKE,
    status=429,
)
BOTH_KINDS = Refusal(
    "a variant is to be serverless and to have instances",
    _VALIDATION,
    "Variant {variant} cannot have both ServerlessConfig and InstanceType or InitialInstanceCount.",
    f"{_API}/API_ProductionVariantServerlessConfig.html",
)
BAD_MEMORY = Refusal(
    "a serverless variant is to have memory that is not whole gigabytes",
    _VALIDATION,
    "MemorySizeInMB {memory} must be one of 1024, 2048, 3072, 4096, 5120, 6144.",
    f"{_API}/API_ProductionVariantServerlessConfig.html",
)
SERVERLESS_APART = Refusal(
    "a serverless variant, or its model, has a VpcConfig or network isolation",
    _VALIDATION,
    "Serverless endpoints take neither VpcConfig nor EnableNetworkIsolation: model {model}.",
    f"{_GUIDE}/serverless-endpoints.html",
)
SERVERLESS_ALONE = Refusal(
    "a serverless variant is to stand beside others",
    _VALIDATION,
    "A serverless endpoint has one variant; these are several: {names}.",
    f"{_GUIDE}/serverless-endpoints.html",
)
ONE_SHADOW = Refusal(
    "there are shadows, and not one of one variant",
    _VALIDATION,
    "ShadowProductionVariants takes one variant beside one in ProductionVariants; these are more: {names}.",
    f"{_API}/API_CreateEndpointConfig.html",
)
SHADOW_OF_INF1 = Refusal(
    "a shadow is to stand beside a variant on Inf1 instances, or is on such itself",
    _VALIDATION,
    "ShadowProductionVariants cannot be given for endpoints with Inf1 instances: {types}.",
    f"{_GUIDE}/shadow-tests.html",
)
OTHER_KIND = Refusal(
    "a real-time, a serverless or an asynchronous endpoint is to become another of these",
    _VALIDATION,
    'Endpoint "{arn}" is {old} and cannot be updated to be {new}.',
    f"{_GUIDE}/serverless-endpoints.html",
)
TYPE_SCALED = Refusal(
    "an update gives another instance type to a variant that is registered as a scalable target",
    _VALIDATION,
    'The instance type of variants of endpoint "{arn}" that are scaled automatically cannot be changed: {variants}.'
    " Deregister them first.",
    f"{_GUIDE}/endpoint-scaling-update.html",
)
SERVERLESS_GUARDED = Refusal(
    "a serverless endpoint is to be updated in steps, or watched",
    _VALIDATION,
    "DeploymentConfig cannot be given with the serverless endpoint configuration {config}.",
    f"{_GUIDE}/deployment-guardrails.html",
)
OTHER_CAPACITY = Refusal(
    "instances are asked of a serverless variant, or concurrency of one with instances",
    _VALIDATION,
    "Variant {variant} has no such capacity.",
    ASSUMED,
)
NOT_ASYNC = Refusal(
    "an endpoint without AsyncInferenceConfig is asked for an asynchronous inference",
    _RUNTIME_VALIDATION,
    "Endpoint {endpoint} of account {account} is not an asynchronous endpoint.",
    ASSUMED,
)
ASYNC_ONLY = Refusal(
    "an asynchronous endpoint is to answer at once",
    _RUNTIME_VALIDATION,
    "Endpoint {endpoint} of account {account} is an asynchronous endpoint: use InvokeEndpointAsync.",
    ASSUMED,
)
ONE_INPUT = Refusal(
    "an asynchronous inference has no input, or two",
    _RUNTIME_VALIDATION,
    "An asynchronous inference of endpoint {endpoint} takes either InputLocation or Body.",
    _INVOKE_ASYNC,
)
NO_OUTPUT = Refusal(
    "an asynchronous endpoint names no place for its answers",
    _VALIDATION,
    "AsyncInferenceConfig.OutputConfig.S3OutputPath is needed by {name}.",
    f"{_API}/API_AsyncInferenceOutputConfig.html",
)
ASYNC_ALONE = Refusal(
    "an asynchronous endpoint is to have several variants, or a serverless one",
    _VALIDATION,
    "An asynchronous endpoint has one variant with instances, not {names}.",
    ASSUMED,
)
