"""What Application Auto Scaling refuses, row by row."""

from __future__ import annotations

from dropforge.local.sagemaker.wire.refusal import ASSUMED, OURS, Refusal

_VALIDATION = "ValidationException"
_API = "https://docs.aws.amazon.com/autoscaling/application/APIReference"

NOT_SCALED = Refusal(
    "something else than the instances of an endpoint's variant is to be scaled",
    _VALIDATION,
    "The local cloud scales sagemaker:variant:DesiredInstanceCount of endpoint/NAME/variant/NAME, not {dimension} of"
    " {resource}.",
    OURS,
)
NO_RESOURCE = Refusal(
    "the variant to be scaled is not there",
    _VALIDATION,
    "No scalable resources found for service namespace: sagemaker, resource ID: {resource}, scalable dimension:"
    " sagemaker:variant:DesiredInstanceCount",
    f"{_API}/API_RegisterScalableTarget.html",
)
NO_TARGET = Refusal(
    "nothing is registered for the variant",
    "ObjectNotFoundException",
    "No scalable target found for service namespace: sagemaker, resource ID: {resource}, scalable dimension:"
    " sagemaker:variant:DesiredInstanceCount",
    f"{_API}/API_DeregisterScalableTarget.html",
)
NO_POLICY = Refusal(
    "there is no scaling policy of that name",
    "ObjectNotFoundException",
    "No scaling policy found for service namespace: sagemaker, resource ID: {resource}, policy name: {name}",
    f"{_API}/API_DeleteScalingPolicy.html",
)
NO_ACTION = Refusal(
    "there is no scheduled action of that name",
    "ObjectNotFoundException",
    "No scheduled action found for service namespace: sagemaker, resource ID: {resource}, action name: {name}",
    f"{_API}/API_DeleteScheduledAction.html",
)
DIMENSION_ALONE = Refusal(
    "a scalable dimension is asked for without a resource",
    _VALIDATION,
    "ScalableDimension {dimension} is given without a resource ID.",
    f"{_API}/API_DescribeScalableTargets.html",
)
CAPACITY_WANTED = Refusal(
    "a target is registered for the first time without its smallest and largest capacity",
    _VALIDATION,
    "MinCapacity and MaxCapacity are needed to register {resource}.",
    f"{_API}/API_RegisterScalableTarget.html",
)
CAPACITY_ORDER = Refusal(
    "the smallest capacity is above the largest, or below what the variant may have",
    _VALIDATION,
    "MinCapacity {least} must be between {floor} and MaxCapacity {most}.",
    f"{_API}/API_RegisterScalableTarget.html",
)
WRONG_POLICY = Refusal(
    "a scaling policy has not the configuration of its type, or more than one",
    _VALIDATION,
    "A policy of type {kind} takes {member}, and nothing else.",
    f"{_API}/API_PutScalingPolicy.html",
)
ONE_METRIC = Refusal(
    "a target tracking policy names no metric, or several",
    _VALIDATION,
    "Policy {name} takes either a PredefinedMetricSpecification or a CustomizedMetricSpecification with MetricName,"
    " Namespace and Statistic.",
    f"{_API}/API_TargetTrackingScalingPolicyConfiguration.html",
)
OTHER_METRIC = Refusal(
    "a target tracking policy names a metric that says nothing of variants",
    _VALIDATION,
    "The local cloud tracks SageMakerVariantInvocationsPerInstance and customized metrics, not {metric}.",
    OURS,
)
BAD_STEPS = Refusal(
    "a step scaling policy has no steps, or no way to make them",
    _VALIDATION,
    "Policy {name} needs StepAdjustments and an AdjustmentType.",
    f"{_API}/API_StepScalingPolicyConfiguration.html",
)
LOOSE_STEPS = Refusal(
    "the steps of a scaling policy overlap, leave a gap, or end where they must not",
    _VALIDATION,
    "The StepAdjustments of policy {name} must neither overlap nor leave a gap, must have a bound each, and must go on"
    " without a bound below a negative lower and above a positive upper one.",
    f"{_API}/API_StepAdjustment.html",
)
BAD_TARGET = Refusal(
    "a target tracking policy has a target that no number of instances would reach",
    _VALIDATION,
    "TargetValue {value} must be more than 0.",
    ASSUMED,
)
SAME_METRIC = Refusal(
    "two target tracking policies of a variant track the same metric",
    _VALIDATION,
    "Only one TargetTrackingScaling policy for a given metric specification is allowed: {name} is there.",
    "https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html",
)
BAD_SCHEDULE = Refusal(
    "a schedule cannot be read",
    _VALIDATION,
    "Schedule {schedule} is neither at(yyyy-mm-ddThh:mm:ss), rate(value unit) nor cron(fields).",
    f"{_API}/API_PutScheduledAction.html",
)
NO_CHANGE = Refusal(
    "a scheduled action changes nothing",
    _VALIDATION,
    "Scheduled action {name} needs a MinCapacity or a MaxCapacity.",
    ASSUMED,
)
