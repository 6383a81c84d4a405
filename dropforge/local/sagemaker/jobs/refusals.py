"""What AWS refuses of jobs, in its words."""

from __future__ import annotations

from dropforge.local.sagemaker.wire.refusal import ASSUMED, OURS, Refusal

_API = "https://docs.aws.amazon.com/sagemaker/latest/APIReference"
_VALIDATION = "ValidationException"
_CHANNEL = f"{_API}/API_Channel.html"

TAKEN = Refusal(
    when="there was ever a training job by that name",
    code="ResourceInUse",
    message="Training job names must be unique within an AWS account and region, and a training job with this name"
    " already exists ({arn})",
    source=f"{_API}/API_CreateTrainingJob.html",
)
MISSING = Refusal(
    when="there is no training job by that name",
    code=_VALIDATION,
    message="Requested resource not found.",
    source=ASSUMED,
)
ENDED = Refusal(
    when="a training job that has ended is to be stopped",
    code=_VALIDATION,
    message="The request was rejected because the training job is in status {status}.",
    source=ASSUMED,
)
NO_IMAGE = Refusal(
    when="no TrainingImage is named",
    code=_VALIDATION,
    message="The local cloud needs AlgorithmSpecification.TrainingImage.",
    source=OURS,
)
BAD_REGEX = Refusal(
    when="the Regex of a metric definition is no regular expression",
    code=_VALIDATION,
    message="Metric definition regex is not valid: {error}",
    source=ASSUMED,
)
NO_INSTANCES = Refusal(
    when="it is not said which instances and how many",
    code=_VALIDATION,
    message="ResourceConfig needs InstanceType and InstanceCount.",
    source=ASSUMED,
)
SAME_CHANNELS = Refusal(
    when="two channels have one name",
    code=_VALIDATION,
    message="Channel names must be unique within a training job.",
    source=ASSUMED,
)
NO_FOLDER_NAME = Refusal(
    when="a channel's name can be no folder's, or is that of another channel's pipe",
    code=_VALIDATION,
    message="The channel name {channel} cannot be used: /opt/ml/input/data/{channel} is {taken}.",
    source=OURS,
)
NO_SOURCE = Refusal(
    when="a channel has no S3DataSource",
    code=_VALIDATION,
    message="Channel {channel} needs an S3DataSource.",
    source=ASSUMED,
)
NO_OBJECTS = Refusal(
    when="a channel's S3Uri names nothing",
    code=_VALIDATION,
    message='No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the bucket exists'
    ' in the selected region ({region}), that objects exist under that S3 prefix, and that the role "{role}"'
    ' has "s3:ListBucket" permissions on bucket "{bucket}".',
    source=ASSUMED,
)
AUGMENTED_MODE = Refusal(
    when="an augmented manifest is to come in another way than through a pipe",
    code=_VALIDATION,
    message="S3DataType AugmentedManifestFile is only supported with Pipe input mode (channel {channel}).",
    source="https://docs.aws.amazon.com/sagemaker/latest/dg/augmented-manifest.html",
)
AUGMENTED_NAMES = Refusal(
    when="an augmented manifest is given without AttributeNames",
    code=_VALIDATION,
    message="AttributeNames is required for S3DataType AugmentedManifestFile (channel {channel}).",
    source="https://docs.aws.amazon.com/sagemaker/latest/dg/augmented-manifest.html",
)
AUGMENTED_WRAPPER = Refusal(
    when="an augmented manifest is given without RecordWrapperType RecordIO",
    code=_VALIDATION,
    message="RecordWrapperType must be RecordIO for S3DataType AugmentedManifestFile (channel {channel}).",
    source=OURS,
)
NAMES_ALONE = Refusal(
    when="AttributeNames is given for anything but an augmented manifest",
    code=_VALIDATION,
    message="AttributeNames is only supported with S3DataType AugmentedManifestFile (channel {channel}).",
    source=ASSUMED,
)
GZIP_MODE = Refusal(
    when="a channel with CompressionType Gzip does not come through a pipe",
    code=_VALIDATION,
    message="CompressionType Gzip is only supported with Pipe input mode (channel {channel}).",
    source=_CHANNEL,
)
WRAPPER_MODE = Refusal(
    when="a channel with RecordWrapperType RecordIO does not come through a pipe",
    code=_VALIDATION,
    message="RecordWrapperType RecordIO is only supported with Pipe input mode (channel {channel}).",
    source=_CHANNEL,
)
GROUPS_AND_COUNT = Refusal(
    when="InstanceGroups stands beside InstanceType or InstanceCount",
    code=_VALIDATION,
    message="ResourceConfig must specify either InstanceGroups or InstanceType and InstanceCount, not both.",
    source=ASSUMED,
)
SAME_GROUPS = Refusal(
    when="two instance groups of a job have one name",
    code=_VALIDATION,
    message="Instance group names must be unique within a training job: {name}.",
    source=ASSUMED,
)
NO_SUCH_GROUP = Refusal(
    when="a channel names an instance group that the job does not have",
    code=_VALIDATION,
    message="Channel {channel} names the instance group {group}, which ResourceConfig does not have.",
    source=ASSUMED,
)
TOO_MANY_HOSTS = Refusal(
    when="a job asks for more than 8 instances",
    code="ResourceLimitExceeded",
    message="The account-level service limit '{type} for training job usage' is {most} Instances, with current"
    " utilization of 0 Instances and a request delta of {asked} Instances. Please use AWS Service Quotas to request an"
    " increase for this quota.",
    source=OURS,
)
NO_NETWORK = Refusal(
    when="a job asks for several instances and this machine's kernel gives them no network",
    code=_VALIDATION,
    message="The local cloud cannot run several hosts here. {why}",
    source=OURS,
)
TOO_LONG = Refusal(
    when="a training job may run for more than 28 days",
    code=_VALIDATION,
    message="Invalid MaxRuntimeInSeconds {given}. It must be less than or equal to {most}",
    source=f"{_API}/API_StoppingCondition.html",
)
WAIT_WITHOUT_SPOT = Refusal(
    when="MaxWaitTimeInSeconds is given and EnableManagedSpotTraining is not set",
    code=_VALIDATION,
    message="Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is set to true",
    source="https://github.com/Kenza-AI/sagify/issues/111",
)
WAIT_TOO_SHORT = Refusal(
    when="a managed spot job has no MaxWaitTimeInSeconds, or one below its MaxRuntimeInSeconds",
    code=_VALIDATION,
    message="Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds",
    source=f"{_API}/API_StoppingCondition.html",
)
NO_SUCH_FOLDER = Refusal(
    when="checkpoints or TensorBoard's data are to lie outside /opt/ml",
    code=_VALIDATION,
    message="LocalPath {path} is not in the local cloud: a program may write below /opt/ml and /tmp alone.",
    source=OURS,
)
FOLDER_OF_INPUTS = Refusal(
    when="checkpoints or TensorBoard's data are to lie in /opt/ml/input",
    code=_VALIDATION,
    message="LocalPath {path} cannot be used: what a job is given lies in /opt/ml/input.",
    source=ASSUMED,
)
