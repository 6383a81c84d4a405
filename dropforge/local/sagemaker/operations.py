"""What is in the local cloud: the name of each operation, and who performs it. All others are refused by name."""

from __future__ import annotations

from collections.abc import Mapping

from dropforge.local.sagemaker.endpoints import Endpoints
from dropforge.local.sagemaker.hosting import Hosting
from dropforge.local.sagemaker.jobs import Jobs
from dropforge.local.sagemaker.registry import Registry
from dropforge.local.sagemaker.tags import Tags
from dropforge.local.sagemaker.web import Operation


def table(
    jobs: Jobs, registry: Registry, hosting: Hosting, endpoints: Endpoints, tags: Tags
) -> Mapping[str, Operation]:
    return {
        "CreateTrainingJob": jobs.create,
        "DescribeTrainingJob": jobs.describe,
        "ListTrainingJobs": jobs.list,
        "StopTrainingJob": jobs.stop,
        "CreateModelPackageGroup": registry.create_group,
        "DescribeModelPackageGroup": registry.describe_group,
        "ListModelPackageGroups": registry.list_groups,
        "CreateModelPackage": registry.create,
        "DescribeModelPackage": registry.describe,
        "ListModelPackages": registry.list,
        "UpdateModelPackage": registry.update,
        "DeleteModelPackage": registry.delete,
        "CreateModel": hosting.create_model,
        "DescribeModel": hosting.describe_model,
        "DeleteModel": hosting.delete_model,
        "ListModels": hosting.list_models,
        "CreateEndpointConfig": hosting.create_config,
        "DescribeEndpointConfig": hosting.describe_config,
        "DeleteEndpointConfig": hosting.delete_config,
        "ListEndpointConfigs": hosting.list_configs,
        "CreateEndpoint": endpoints.create,
        "UpdateEndpoint": endpoints.update,
        "DescribeEndpoint": endpoints.describe,
        "DeleteEndpoint": endpoints.delete,
        "ListEndpoints": endpoints.list,
        "AddTags": tags.add,
        "ListTags": tags.list,
        "DeleteTags": tags.delete,
    }
