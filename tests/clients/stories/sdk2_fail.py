"""SDK 2: a script that fails, and one that is stopped."""

import json
import sys
import time

import sagemaker
from sagemaker.exceptions import UnexpectedStatusException
from sagemaker.sklearn import SKLearn

ROLE = "arn:aws:iam::000000000000:role/jobs"
mark, programs = sys.argv[1:]
session = sagemaker.Session()
rows = session.upload_string_as_file_body("1\n2\n3\n", session.default_bucket(), f"{mark}/rows.csv")


def estimator(**more: object) -> SKLearn:
    return SKLearn(
        source_dir=programs,
        role=ROLE,
        instance_type="ml.m5.large",
        framework_version="1.2-1",
        base_job_name=mark,
        sagemaker_session=session,
        **more,
    )


channels = {"training": f"s3://{session.default_bucket()}/{mark}/"}
told = {}
try:
    estimator(entry_point="fit.py", hyperparameters={"rate": "much"}).fit(channels, logs=False)
except UnexpectedStatusException as error:
    told["failed"] = str(error)
try:
    estimator(entry_point="fit.py").fit({"training": f"s3://{session.default_bucket()}/{mark}-nothing/"}, logs=False)
except Exception as error:  # noqa: BLE001 - the story is what is raised
    told["refused"] = f"{type(error).__name__}: {error}"

endless = estimator(entry_point="endless.py")
endless.fit(channels, wait=False)
name = endless.latest_training_job.name
while session.describe_training_job(name)["SecondaryStatus"] != "Training":
    time.sleep(0.2)
session.stop_training_job(name)
session.wait_for_job(name, poll=1)
told["stopped"] = session.describe_training_job(name)["SecondaryStatus"]
print(json.dumps(told))
