"""SDK 2: a fitted model answers for every line of what lies in S3, and stands beside what it was asked."""

import json
import sys

import sagemaker
from sagemaker.sklearn import SKLearn

ROLE = "arn:aws:iam::000000000000:role/jobs"
mark, programs = sys.argv[1:]
session = sagemaker.Session()
bucket = session.default_bucket()
session.upload_string_as_file_body("1\n2\n3\n", bucket, f"rows/{mark}/rows.csv")
session.upload_string_as_file_body("1,2\n3,4\n", bucket, f"asked/{mark}/some.csv")
estimator = SKLearn(
    entry_point="fit.py",
    source_dir=programs,
    role=ROLE,
    instance_type="ml.m5.large",
    framework_version="1.2-1",
    hyperparameters={"rate": 0.5},
    base_job_name=mark,
    sagemaker_session=session,
)
estimator.fit({"training": f"s3://{bucket}/rows/{mark}/"}, logs=False)
transformer = estimator.create_model(entry_point="serve.py", source_dir=programs).transformer(
    instance_count=1,
    instance_type="ml.m5.large",
    strategy="SingleRecord",
    assemble_with="Line",
    accept="text/csv",
    output_path=f"s3://{bucket}/answers/{mark}",
)
transformer.transform(
    f"s3://{bucket}/asked/{mark}/", content_type="text/csv", split_type="Line", join_source="Input", logs=False
)
answers = sagemaker.s3.S3Downloader.read_file(f"s3://{bucket}/answers/{mark}/some.csv.out", sagemaker_session=session)
job = session.sagemaker_client.describe_transform_job(TransformJobName=transformer.latest_transform_job.name)
print(json.dumps({"answers": answers, "status": job["TransformJobStatus"]}))
