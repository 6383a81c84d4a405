"""Members of the requests of hosting that have no effect here, and those that are refused, each with the reason."""

from __future__ import annotations

from collections.abc import Mapping

_ALONE = "every program here is alone already, with no network but its own"
_ALONE_SERVED = f"{_ALONE}; refused for serverless variants"
_PLAIN = "nothing on this machine is encrypted"
_ONE_MACHINE = "one machine plays all the instances"
_COMPONENTS = "there are no inference components"

_CONTAINER_UNUSED = {
    "ContainerHostname": "nobody calls a container by its name",
    "ContainerMetricsConfig": "a container's own metrics are not read",
    "ImageConfig": "an image is a folder here, or its engine has a login of its own",
}
_CONTAINER_REFUSED = {
    "AdditionalModelDataSources": "a container has one archive",
    "InferenceSpecificationName": "a package has one specification",
    "Mode=MultiModel": "a container serves one model",
    "ModelDataSource": "name the archive in ModelDataUrl",
    "MultiModelConfig": "a container serves one model",
}
_CONTAINERS = ("PrimaryContainer", "Containers[]")
MODEL_UNUSED: Mapping[str, str] = {
    "EnableNetworkIsolation": f"{_ALONE_SERVED}; what an engine is to serve is refused",
    "ExecutionRoleArn": "a container has no network and so no use for a role; its account is checked, and it is told",
    "VpcConfig": _ALONE_SERVED,
    **{f"{container}.{name}": why for container in _CONTAINERS for name, why in _CONTAINER_UNUSED.items()},
}
MODEL_REFUSED: Mapping[str, str] = {
    "InferenceExecutionConfig": "a model has one container",
    **{f"{container}.{name}": why for container in _CONTAINERS for name, why in _CONTAINER_REFUSED.items()},
}
_VARIANT_UNUSED = {
    "AcceleratorType": "there are no accelerators",
    "EnableSSMAccess": "there is nothing to log in to",
    "InferenceAmiVersion": _ONE_MACHINE,
    "InstanceType": f"{_ONE_MACHINE}; the name is checked and told",
    "VolumeSizeInGB": "a server has the disk of this machine",
}
_LEAST_BUSY = "requests go to the least busy server"
_VARIANT_REFUSED = {
    "CapacityReservationConfig": "there is nothing to reserve",
    "ContainerStartupHealthCheckTimeoutInSeconds": "the cloud's own limit holds",
    "CoreDumpConfig": "core dumps are not kept",
    "InstancePools": _ONE_MACHINE,
    "ManagedInstanceScaling": _COMPONENTS,
    "ModelDataDownloadTimeoutInSeconds": "the cloud's own limit holds",
    "RoutingConfig.PrefixAwareRoutingConfig": _LEAST_BUSY,
    "RoutingConfig.RoutingStrategy=PREFIX_AWARE": _LEAST_BUSY,
    "RoutingConfig.RoutingStrategy=RANDOM": _LEAST_BUSY,
    "ServerlessConfig.ProvisionedConcurrency": "no server is kept ready; each comes up when it is asked",
    "VariantInstanceProvisionTimeoutInSeconds": _ONE_MACHINE,
}
_VARIANTS = ("ProductionVariants[]", "ShadowProductionVariants[]")
CONFIG_UNUSED: Mapping[str, str] = {
    "AsyncInferenceConfig.OutputConfig.KmsKeyId": _PLAIN,
    "DataCaptureConfig": "nothing is captured; refused unless EnableCapture is false",
    "EnableNetworkIsolation": f"{_ALONE_SERVED}; what an engine is to serve is refused",
    "ExecutionRoleArn": f"{_COMPONENTS}; its account is checked",
    "KmsKeyId": _PLAIN,
    "MetricsConfig": "metrics come as they come",
    "VpcConfig": _ALONE_SERVED,
    **{f"{variants}.{name}": why for variants in _VARIANTS for name, why in _VARIANT_UNUSED.items()},
}
CONFIG_REFUSED: Mapping[str, str] = {
    "AsyncInferenceConfig.OutputConfig.NotificationConfig.IncludeInferenceResponseIn": "the answer is in S3",
    "ExplainerConfig": "there is no Clarify",
    **{f"{variants}.{name}": why for variants in _VARIANTS for name, why in _VARIANT_REFUSED.items()},
}
REWEIGH_REFUSED: Mapping[str, str] = {
    "DesiredWeightsAndCapacities[].ServerlessUpdateConfig.ProvisionedConcurrency": "no server is kept ready",
}
RUNTIME_REFUSED: Mapping[str, str] = {
    "EnableExplanations": "there is no Clarify",
    "InferenceComponentName": _COMPONENTS,
    "PrefixAwareId": _LEAST_BUSY,
    "TargetContainerHostname": "a model has one container",
    "TargetModel": "a container serves one model",
}
