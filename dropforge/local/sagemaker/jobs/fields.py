"""Members of the requests of jobs that have no effect here, and those that are refused, each with the reason."""

from __future__ import annotations

from collections.abc import Mapping

_ALONE = "every program here is alone already, with no network but its own"
_PLAIN = "nothing on this machine is encrypted"
_ONE_MACHINE = "one machine plays all the instances"
_NOT_WATCHED = "nothing here looks into a program while it runs"

TRAINING_UNUSED: Mapping[str, str] = {
    "AlgorithmSpecification.EnableSageMakerMetricsTimeSeries": "every figure goes to CloudWatch anyway",
    "AlgorithmSpecification.TrainingImageConfig": "images are folders of this machine",
    "DebugHookConfig": "there is no debugger; it is kept and told",
    "EnableInterContainerTrafficEncryption": _PLAIN,
    "EnableNetworkIsolation": _ALONE,
    "ExperimentConfig": "there are no experiments; it is kept and told",
    "InfraCheckConfig": "there is no hardware to check",
    "InputDataConfig[].DataSource.S3DataSource.ModelAccessConfig": "there is no licence to accept",
    "OutputDataConfig.KmsKeyId": _PLAIN,
    "ProfilerConfig": _NOT_WATCHED,
    "RemoteDebugConfig": _NOT_WATCHED,
    "ResourceConfig.InstanceType": f"{_ONE_MACHINE}; the name is checked and told",
    "ResourceConfig.KeepAlivePeriodInSeconds": "nothing is kept warm",
    "ResourceConfig.VolumeKmsKeyId": _PLAIN,
    "ResourceConfig.VolumeSizeInGB": "a job has the disk of this machine",
    "SessionChainingConfig": "a job has no session of its own",
    "StoppingCondition.MaxPendingTimeInSeconds": "no job waits for an instance",
    "VpcConfig": _ALONE,
}
TRAINING_REFUSED: Mapping[str, str] = {
    "AlgorithmSpecification.AlgorithmName": "there are no algorithm resources; name a TrainingImage",
    "AlgorithmSpecification.TrainingInputMode=FastFile": "channels are files",
    "AlgorithmSpecification.TrainingInputMode=Pipe": "channels are files",
    "CheckpointConfig": "checkpoints are not brought to S3",
    "DebugHookConfig.CollectionConfigurations": "there is no debugger",
    "DebugHookConfig.HookParameters": "there is no debugger",
    "DebugRuleConfigurations": "there is no debugger",
    "EnableManagedSpotTraining=True": "nobody takes an instance away",
    "InputDataConfig[].CompressionType=Gzip": "channels are brought as they are",
    "InputDataConfig[].DataSource.DatasetSource": "channels come from S3",
    "InputDataConfig[].DataSource.FileSystemDataSource": "channels come from S3",
    "InputDataConfig[].DataSource.S3DataSource.AttributeNames": "augmented manifests are not read",
    "InputDataConfig[].DataSource.S3DataSource.HubAccessConfig": "there is no hub of models",
    "InputDataConfig[].DataSource.S3DataSource.InstanceGroupNames": "there are no instance groups",
    "InputDataConfig[].DataSource.S3DataSource.S3DataType=AugmentedManifestFile": "augmented manifests are not read",
    "InputDataConfig[].DataSource.S3DataSource.S3DataType=Converse": "prefixes and manifests are read",
    "InputDataConfig[].InputMode=FastFile": "channels are files",
    "InputDataConfig[].InputMode=Pipe": "channels are files",
    "InputDataConfig[].RecordWrapperType=RecordIO": "channels are brought as they are",
    "InputDataConfig[].ShuffleConfig": "channels are brought as they are",
    "MlflowConfig": "there is no MLflow",
    "ModelPackageConfig": "there are no serverless jobs; register the model when the job has ended",
    "OutputDataConfig.CompressionType=NONE": "a model goes out as one archive",
    "ProfilerRuleConfigurations": "there is no profiler",
    "ResourceConfig.InstanceGroups": _ONE_MACHINE,
    "ResourceConfig.InstancePlacementConfig": _ONE_MACHINE,
    "ResourceConfig.InstancePreferences": _ONE_MACHINE,
    "ResourceConfig.SelectedInstanceCount": _ONE_MACHINE,
    "ResourceConfig.SelectedInstanceType": _ONE_MACHINE,
    "ResourceConfig.TrainingPlanArn": "there are no training plans",
    "RetryStrategy": "a job runs once",
    "ServerlessJobConfig": "there are no serverless jobs",
    "StoppingCondition.MaxWaitTimeInSeconds": "no job waits for a spot instance",
    "TensorBoardOutputConfig": "TensorBoard data are not brought to S3",
}
LIST_TRAINING_REFUSED: Mapping[str, str] = {
    "TrainingPlanArnEquals": "there are no training plans",
    "WarmPoolStatusEquals": "nothing is kept warm",
}
