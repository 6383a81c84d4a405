"""Members of the requests of processing jobs that have no effect here, and those that are refused, with the reason."""

from __future__ import annotations

from collections.abc import Mapping

_PLAIN = "nothing on this machine is encrypted"
_ONE_MACHINE = "one machine plays all the instances"

UNUSED: Mapping[str, str] = {
    "ExperimentConfig": "there are no experiments; it is kept and told",
    "NetworkConfig": "every program here is alone already, with no network but its own",
    "ProcessingOutputConfig.KmsKeyId": _PLAIN,
    "ProcessingResources.ClusterConfig.InstanceType": f"{_ONE_MACHINE}; the name is checked and told",
    "ProcessingResources.ClusterConfig.VolumeKmsKeyId": f"{_PLAIN}; refused for instances with disks of their own",
    "ProcessingResources.ClusterConfig.VolumeSizeInGB": "a job has the disk of this machine",
}
REFUSED: Mapping[str, str] = {
    "ProcessingInputs[].AppManaged=True": "data are brought from S3 and taken to it",
    "ProcessingInputs[].DatasetDefinition": "inputs come from S3",
    "ProcessingInputs[].S3Input.S3CompressionType=Gzip": "SageMaker unpacks in Pipe mode only, and inputs are files",
    "ProcessingInputs[].S3Input.S3InputMode=Pipe": "inputs are files",
    "ProcessingOutputConfig.Outputs[].AppManaged=True": "data are brought from S3 and taken to it",
    "ProcessingOutputConfig.Outputs[].FeatureStoreOutput": "there is no feature store",
    "ProcessingResources.ClusterConfig.InstancePreferences": _ONE_MACHINE,
    "ProcessingResources.ClusterConfig.SelectedInstanceCount": _ONE_MACHINE,
    "ProcessingResources.ClusterConfig.SelectedInstanceType": _ONE_MACHINE,
}
