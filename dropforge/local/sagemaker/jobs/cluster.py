"""The hosts of a job: what they are called, which group each is of, and what comes to each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dropforge.local.sagemaker import instances
from dropforge.local.sagemaker.jobs import refusals
from dropforge.local.sagemaker.jobs.channels.asked import Share
from dropforge.local.sagemaker.sandbox.contract import Image

MOST_HOSTS = 8
"""All of them share one machine."""
_ONE_GROUP = "homogeneousCluster"


@dataclass(frozen=True, slots=True)
class Host:
    name: str
    group: str
    instance_type: str


def hosts(resources: Mapping[str, Any]) -> list[Host]:
    """Number the hosts through all groups, from algo-1 on."""
    groups = resources.get("InstanceGroups") or [{"InstanceGroupName": _ONE_GROUP, **resources}]
    each = [group for group in groups for _ in range(group["InstanceCount"])]
    return [
        Host(f"algo-{number}", group["InstanceGroupName"], group["InstanceType"])
        for number, group in enumerate(each, 1)
    ]


def share(channel: Mapping[str, Any], host: Host, all_hosts: Sequence[Host]) -> Share | None:
    """Give a host's part of a channel; None where the channel is for other groups alone."""
    groups = channel["DataSource"]["S3DataSource"].get("InstanceGroupNames")
    wanted = [one for one in all_hosts if not groups or one.group in groups]
    return Share(wanted.index(host), len(wanted)) if host in wanted else None


def describe(host: Host, all_hosts: Sequence[Host]) -> dict[str, Any]:
    """Give a host its resourceconfig.json."""
    groups: dict[str, dict[str, Any]] = {}
    for one in all_hosts:
        made = {"instance_group_name": one.group, "instance_type": one.instance_type, "hosts": []}
        groups.setdefault(one.group, made)["hosts"].append(one.name)
    return {
        "current_host": host.name,
        "current_instance_type": host.instance_type,
        "current_group_name": host.group,
        "hosts": [one.name for one in all_hosts],
        "instance_groups": list(groups.values()),
        "network_interface_name": "lo" if len(all_hosts) == 1 else "eth0",
    }


def check(request: Mapping[str, Any], image: Image) -> None:
    """Refuse instances that cannot be had here for an image."""
    resources = request.get("ResourceConfig") or {}
    groups = resources.get("InstanceGroups")
    if groups and (resources.get("InstanceType") or resources.get("InstanceCount")):
        raise refusals.GROUPS_AND_COUNT(job=request["TrainingJobName"])
    names = [one["InstanceGroupName"] for one in groups or ()]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise refusals.SAME_GROUPS(name=twice)
    for one in groups or [resources]:
        if not one.get("InstanceType") or not one.get("InstanceCount"):
            raise refusals.NO_INSTANCES(job=request["TrainingJobName"])
    asked = sum(one["InstanceCount"] for one in groups or [resources])
    if asked > MOST_HOSTS:
        first = (groups or [resources])[0]["InstanceType"]
        raise refusals.TOO_MANY_HOSTS(type=first, most=MOST_HOSTS, asked=asked)
    if asked > 1 and (why := image.missing_network()):
        raise refusals.NO_NETWORK(why=why)
    instances.check_key((one["InstanceType"] for one in groups or [resources]), resources.get("VolumeKmsKeyId"))
    _check_groups(request, hosts(resources))


def _check_groups(request: Mapping[str, Any], all_hosts: Sequence[Host]) -> None:
    there = {host.group for host in all_hosts}
    for channel in request.get("InputDataConfig") or ():
        source = channel["DataSource"].get("S3DataSource") or {}
        for name in source.get("InstanceGroupNames") or ():
            if name not in there or there == {_ONE_GROUP}:
                raise refusals.NO_SUCH_GROUP(group=name, channel=channel["ChannelName"])
