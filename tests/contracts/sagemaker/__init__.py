"""What SageMaker does, as scenarios that hold for the local cloud and for AWS alike.

    pytest tests/contracts/sagemaker                  against a local cloud of its own
    pytest tests/contracts/sagemaker --against aws    against the account that boto3 finds

On AWS it costs a few jobs and endpoints, and the variable DROPFORGE_CONTRACT_ROLE names a role that SageMaker may take,
with access to buckets whose name begins with `dropforge-contract-`. Everything is made under names that begin so, and
removed at the end.
"""
