"""Members of the requests of transform jobs that have no effect here, and those that are refused, with the reason."""

from __future__ import annotations

from collections.abc import Mapping

_PLAIN = "nothing on this machine is encrypted"

UNUSED: Mapping[str, str] = {
    "ExperimentConfig": "there are no experiments; it is kept and told",
    "TransformOutput.KmsKeyId": _PLAIN,
    "TransformResources.InstanceCount": "one machine plays all the instances; it is kept and told",
    "TransformResources.InstanceType": "one machine plays all the instances; the name is checked and told",
    "TransformResources.TransformAmiVersion": "one machine plays all the instances",
    "TransformResources.VolumeKmsKeyId": f"{_PLAIN}; refused for instances with disks of their own",
}
REFUSED: Mapping[str, str] = {
    "DataCaptureConfig": "nothing is captured",
    "TransformInput.DataSource.S3DataSource.S3DataType=AugmentedManifestFile": "not even SageMaker reads it here",
    "TransformInput.DataSource.S3DataSource.S3DataType=Converse": "prefixes and manifests are read",
}
