"""Members of the requests of jobs that have no effect here, and those that are refused, each with the reason."""

from __future__ import annotations

from collections.abc import Mapping

_ALONE = "every program here is alone already, with no network but its own"
_PLAIN = "nothing on this machine is encrypted"
_PLAIN_VOLUME = f"{_PLAIN}; refused for instances with disks of their own"
_ONE_MACHINE = "one machine plays all the instances"
_NOT_WATCHED = "nothing here looks into a program while it runs"

_FAST = "the files are brought before the program starts, as in File mode: only a file system of its own could wait"

TRAINING_UNUSED: Mapping[str, str] = {
    "AlgorithmSpecification.TrainingInputMode=FastFile": _FAST,
    "AlgorithmSpecification.EnableSageMakerMetricsTimeSeries": "every figure goes to CloudWatch anyway",
    "AlgorithmSpecification.TrainingImageConfig": "an image is a folder here, or its engine has a login of its own",
    "DebugHookConfig": "there is no debugger; it is kept and told",
    "EnableInterContainerTrafficEncryption": _PLAIN,
    "EnableNetworkIsolation": _ALONE,
    "ExperimentConfig": "there are no experiments; it is kept and told",
    "InfraCheckConfig": "there is no hardware to check",
    "InputDataConfig[].DataSource.S3DataSource.ModelAccessConfig": "there is no licence to accept",
    "InputDataConfig[].InputMode=FastFile": _FAST,
    "OutputDataConfig.KmsKeyId": _PLAIN,
    "ProfilerConfig": _NOT_WATCHED,
    "RemoteDebugConfig": _NOT_WATCHED,
    "ResourceConfig.InstanceGroups[].InstanceType": f"{_ONE_MACHINE}; the name is checked and told",
    "ResourceConfig.InstanceType": f"{_ONE_MACHINE}; the name is checked and told",
    "ResourceConfig.KeepAlivePeriodInSeconds": "nothing is kept warm",
    "ResourceConfig.VolumeKmsKeyId": _PLAIN_VOLUME,
    "ResourceConfig.VolumeSizeInGB": "a job has the disk of this machine",
    "SessionChainingConfig": "a job has no session of its own",
    "StoppingCondition.MaxPendingTimeInSeconds": "no job waits for an instance",
    "VpcConfig": _ALONE,
}
TRAINING_REFUSED: Mapping[str, str] = {
    "AlgorithmSpecification.AlgorithmName": "there are no algorithm resources; name a TrainingImage",
    "DebugHookConfig.CollectionConfigurations": "there is no debugger",
    "DebugHookConfig.HookParameters": "there is no debugger",
    "DebugRuleConfigurations": "there is no debugger",
    "InputDataConfig[].DataSource.DatasetSource": "channels come from S3",
    "InputDataConfig[].DataSource.FileSystemDataSource": "channels come from S3",
    "InputDataConfig[].DataSource.S3DataSource.HubAccessConfig": "there is no hub of models",
    "InputDataConfig[].DataSource.S3DataSource.S3DataType=Converse": "objects and manifests are read",
    "MlflowConfig": "there is no MLflow",
    "ModelPackageConfig": "there are no serverless jobs; register the model when the job has ended",
    "ProfilerRuleConfigurations": "there is no profiler",
    "ResourceConfig.InstancePlacementConfig": _ONE_MACHINE,
    "ResourceConfig.InstancePreferences": _ONE_MACHINE,
    "ResourceConfig.SelectedInstanceCount": _ONE_MACHINE,
    "ResourceConfig.SelectedInstanceType": _ONE_MACHINE,
    "ResourceConfig.TrainingPlanArn": "there are no training plans",
    "ServerlessJobConfig": "there are no serverless jobs",
}
LIST_TRAINING_REFUSED: Mapping[str, str] = {
    "TrainingPlanArnEquals": "there are no training plans",
    "WarmPoolStatusEquals": "nothing is kept warm",
}
