"""Members of the requests of the registry that have no effect here, and those that are refused, with the reason."""

from __future__ import annotations

from collections.abc import Mapping

_KEPT = "it is kept and told"
_SPECIFICATION = (
    "SupportedContentTypes",
    "SupportedRealtimeInferenceInstanceTypes",
    "SupportedResponseMIMETypes",
    "SupportedTransformInstanceTypes",
)
_CONTAINER = (
    "AdditionalModelDataSources",
    "AdditionalS3DataSource",
    "BaseModel",
    "ContainerHostname",
    "Framework",
    "FrameworkVersion",
    "ImageDigest",
    "IsCheckpoint",
    "ModelDataETag",
    "ModelDataSource",
    "ModelInput",
    "NearestModelName",
    "ProductId",
)
_SPECIFICATION_UNUSED = {
    **{f"InferenceSpecification.{name}": _KEPT for name in _SPECIFICATION},
    **{f"InferenceSpecification.Containers[].{name}": _KEPT for name in _CONTAINER},
}
CREATE_UNUSED: Mapping[str, str] = _SPECIFICATION_UNUSED | {
    "AdditionalInferenceSpecifications": _KEPT,
    "CertifyForMarketplace": "there is no marketplace",
    "DriftCheckBaselines": _KEPT,
    "ManagedStorageType": "archives stay where they are",
    "MetadataProperties": _KEPT,
    "ModelCard": _KEPT,
    "ModelLifeCycle": _KEPT,
    "ModelMetrics": _KEPT,
    "ModelPackageRegistrationType": _KEPT,
    "SecurityConfig": "nothing on this machine is encrypted",
    "SkipModelValidation": "models are not validated",
}
CREATE_REFUSED: Mapping[str, str] = {
    "ModelPackageName": "packages have versions, in a group",
    "SourceAlgorithmSpecification": "there are no algorithm resources",
    "ValidationSpecification": "models are not validated",
}
UPDATE_UNUSED: Mapping[str, str] = _SPECIFICATION_UNUSED | {
    "AdditionalInferenceSpecificationsToAdd": _KEPT,
    "ModelCard": _KEPT,
    "ModelLifeCycle": _KEPT,
    "ModelPackageRegistrationType": _KEPT,
    "ClientToken": "an update is the same twice",
}
