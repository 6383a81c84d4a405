"""SDK 2: any image that runs the public toolkit, without a network; the SDK brings the code as a channel then."""

import json
import sys

import sagemaker
from sagemaker.estimator import Estimator

ROLE = "arn:aws:iam::000000000000:role/jobs"
mark, programs, image = sys.argv[1:]
session = sagemaker.Session()
rows = session.upload_string_as_file_body("1\n2\n3\n", session.default_bucket(), f"{mark}/rows.csv")
estimator = Estimator(
    image_uri=image,
    entry_point="fit.py",
    source_dir=programs,
    role=ROLE,
    instance_type="ml.m5.large",
    instance_count=1,
    hyperparameters={"rate": 0.75},
    enable_network_isolation=True,
    base_job_name=mark,
    metric_definitions=[{"Name": "accuracy", "Regex": "accuracy=([0-9.]+);"}],
    sagemaker_session=session,
)
estimator.fit({"training": f"s3://{session.default_bucket()}/{mark}/"}, logs=False)
job = estimator.latest_training_job.describe()
told = {
    "status": job["TrainingJobStatus"],
    "channels": sorted(channel["ChannelName"] for channel in job["InputDataConfig"]),
    "metrics": [metric["Value"] for metric in job["FinalMetricDataList"]],
}
print(json.dumps(told))
