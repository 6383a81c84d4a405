"""SDK 2 waits by itself, as it does where nobody says anything: with the job's log, and until the endpoint answers."""

import json
import sys

import sagemaker
from sagemaker.sklearn import SKLearn, SKLearnModel

ROLE = "arn:aws:iam::000000000000:role/jobs"
mark, programs = sys.argv[1:]
session = sagemaker.Session()
rows = session.upload_string_as_file_body("1\n2\n3\n", session.default_bucket(), f"{mark}/rows.csv")
estimator = SKLearn(
    entry_point="fit.py",
    source_dir=programs,
    role=ROLE,
    instance_type="ml.m5.large",
    framework_version="1.2-1",
    base_job_name=mark,
    sagemaker_session=session,
)
estimator.fit({"training": f"s3://{session.default_bucket()}/{mark}/"})
model = SKLearnModel(
    model_data=estimator.model_data,
    role=ROLE,
    entry_point="serve.py",
    source_dir=programs,
    framework_version="1.2-1",
    sagemaker_session=session,
)
predictor = model.deploy(initial_instance_count=1, instance_type="ml.m5.large")
answer = predictor.predict([[4], [8]])
predictor.delete_endpoint()
print(json.dumps({"answer": answer.tolist()}))
