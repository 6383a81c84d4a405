"""All that serving a configuration needs, in one document; later deletions do not touch it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.hosting import models, refusals
from dropforge.local.sagemaker.store import Doc

_WEIGHT, _COUNT = "DesiredWeight", "DesiredInstanceCount"
_RETAINED = {_WEIGHT: "weight", _COUNT: "count"}


def resolve(ground: Ground, config_name: str) -> Doc:
    """Make the plan of a configuration; it and its models must be there."""
    config = ground.store.get(models.CONFIG, config_name)
    if config is None:
        raise refusals.MISSING(kind="endpoint configuration", arn=ground.account.arn(models.CONFIG, config_name))
    variants = [_variant(ground, variant) for variant in config["ProductionVariants"]]
    shadows = [_variant(ground, variant) | {"shadow": True} for variant in config.get("ShadowProductionVariants", ())]
    queue = config.get("AsyncInferenceConfig")
    return {"config": config["EndpointConfigName"], "variants": variants + shadows, "async": queue}


def retained(plan: Doc, before: Mapping[str, Any], excluded: Iterable[str]) -> Doc:
    """Keep what was set for the variants of the plan before, but for the properties that are excluded."""
    kept = {key for name, key in _RETAINED.items() if name not in excluded}
    old = {variant["name"]: variant for variant in before["variants"]}
    variants = [
        {**variant, **{key: old.get(variant["name"], variant)[key] for key in kept}} for variant in plan["variants"]
    ]
    return {**plan, "variants": variants}


def retyped(before: Mapping[str, Any], plan: Mapping[str, Any]) -> set[str]:
    """Name the variants that get another type of instance."""
    old = {variant["name"]: variant.get("type") for variant in before["variants"]}
    return {each["name"] for each in plan["variants"] if old.get(each["name"]) not in {None, each["type"]}}


def changed(plan: Doc, arn: str, wanted: Iterable[Mapping[str, Any]]) -> Doc:
    """Give the plan with other weights and capacities."""
    asked = {each["VariantName"]: each for each in wanted}
    serverless = {variant["name"] for variant in plan["variants"] if "serverless" in variant}
    if unknown := set(asked) - {variant["name"] for variant in plan["variants"]}:
        raise refusals.NO_VARIANT(variant=min(unknown), arn=arn)
    for name, each in asked.items():
        if each.get(_COUNT) == 0 and not plan.get("async"):
            raise refusals.NO_CAPACITY(variant=name)
        if (_COUNT in each and name in serverless) or ("ServerlessUpdateConfig" in each and name not in serverless):
            raise refusals.OTHER_CAPACITY(variant=name)
    variants = []
    for variant in plan["variants"]:
        each = asked.get(variant["name"], {})
        set_now = {key: each[name] for name, key in _RETAINED.items() if each.get(name) is not None}
        if update := each.get("ServerlessUpdateConfig"):
            set_now["serverless"] = {**variant["serverless"], **update}
        variants.append({**variant, **set_now})
    return {**plan, "variants": variants, "in_place": True}


def largest(plan: Mapping[str, Any]) -> int:
    """Say how many instances the largest variant has."""
    return max(int(variant["count"]) for variant in plan["variants"])


def summary(plan: Mapping[str, Any], desired: Mapping[str, Any] | None = None) -> list[Doc]:
    """Tell the variants of a plan as DescribeEndpoint does, on their way to those desired."""
    return _summary(plan, desired, shadow=False)


def summaries(plan: Mapping[str, Any], desired: Mapping[str, Any] | None = None) -> dict[str, list[Doc]]:
    """Tell all variants of a plan, those in the shadow by themselves."""
    shadows = _summary(plan, desired, shadow=True)
    return {"ProductionVariants": summary(plan, desired)} | ({"ShadowProductionVariants": shadows} if shadows else {})


def way(plan: Mapping[str, Any]) -> str:
    """Say how a plan answers: it cannot be changed."""
    if any("serverless" in variant for variant in plan["variants"]):
        return "serverless"
    return "asynchronous" if plan.get("async") else "real-time"


def _summary(plan: Mapping[str, Any], desired: Mapping[str, Any] | None, *, shadow: bool) -> list[Doc]:
    after = {variant["name"]: variant for variant in (desired or plan)["variants"]}
    told = [variant for variant in plan["variants"] if bool(variant.get("shadow")) is shadow]
    return [_told(variant, after.get(variant["name"], variant)) for variant in told]


def pending(doc: Mapping[str, Any]) -> Doc | None:
    """Tell of a deployment under way; None when there is none."""
    wanted = doc.get("_wanted")
    if not wanted or wanted.get("in_place") or doc["EndpointStatus"] not in {"Creating", "Updating"}:
        return None
    stage = doc.get("_stage") or {"Status": "Creating", "StartTime": doc["LastModifiedTime"]}
    types = {variant["name"]: {"InstanceType": variant.get("type")} for variant in wanted["variants"]}
    told = summaries(wanted).items()
    variants = {
        kind: [{**each, **types[each["VariantName"]], "VariantStatus": [stage]} for each in some] for kind, some in told
    }
    return {
        "EndpointConfigName": wanted["config"],
        "StartTime": wanted.get("began", doc["LastModifiedTime"]),
        **variants,
    }


def stage(status: str, message: str = "") -> Doc:
    """Give one VariantStatus, as of now."""
    return {"Status": status, "StartTime": time.time()} | ({"StatusMessage": message} if message else {})


def _told(now: Mapping[str, Any], after: Mapping[str, Any]) -> Doc:
    told = {
        "VariantName": now["name"],
        "DeployedImages": [{"SpecifiedImage": now["image"], "ResolvedImage": now["image"]}],
        "CurrentWeight": now["weight"],
        _WEIGHT: after["weight"],
    }
    told |= {"RoutingConfig": now["routing"]} if now.get("routing") else {}
    if "serverless" in now:
        return told | {"CurrentServerlessConfig": now["serverless"], "DesiredServerlessConfig": after["serverless"]}
    return told | {"CurrentInstanceCount": now["count"], _COUNT: after["count"]}


def _variant(ground: Ground, variant: Mapping[str, Any]) -> Doc:
    model = ground.store.get(models.MODEL, variant["ModelName"])
    if model is None:
        raise refusals.MISSING(kind="model", arn=ground.account.arn(models.MODEL, variant["ModelName"]))
    container = models.container(model)
    return {
        "name": variant["VariantName"],
        "weight": variant["InitialVariantWeight"],
        "type": variant.get("InstanceType"),
        "routing": variant.get("RoutingConfig"),
        "count": variant.get("InitialInstanceCount", 1),
        **({"serverless": variant["ServerlessConfig"]} if variant.get("ServerlessConfig") else {}),
        "image": container["Image"],
        "data": container.get("ModelDataUrl"),
        "environment": container.get("Environment", {}),
    }
