"""SDK 2: a script over rows in S3, by a processor of the framework; and any container, by a command."""

import json
import sys

import sagemaker
from sagemaker.processing import ProcessingInput, ProcessingOutput, ScriptProcessor
from sagemaker.sklearn.processing import SKLearnProcessor

ROLE = "arn:aws:iam::000000000000:role/jobs"
mark, programs = sys.argv[1:]
session = sagemaker.Session()
bucket = session.default_bucket()
session.upload_string_as_file_body("1\n2\n3\n", bucket, f"rows/{mark}/rows.csv")
given = [ProcessingInput(source=f"s3://{bucket}/rows/{mark}/", destination="/opt/ml/processing/input/rows")]


def left(processor: ScriptProcessor, name: str, times: str) -> str:
    there = f"s3://{bucket}/sums/{mark}/{name}"
    processor.run(
        code=f"{programs}/sum.py",
        inputs=given,
        outputs=[ProcessingOutput(source="/opt/ml/processing/output", destination=there, output_name="sum")],
        arguments=["--times", times],
        logs=False,
    )
    return str(sagemaker.s3.S3Downloader.read_file(f"{there}/sum.txt", sagemaker_session=session))


framework = SKLearnProcessor(
    framework_version="1.2-1",
    role=ROLE,
    instance_type="ml.m5.large",
    instance_count=1,
    base_job_name=mark,
    sagemaker_session=session,
)
plain = ScriptProcessor(
    image_uri=framework.image_uri,
    command=["python3"],
    role=ROLE,
    instance_type="ml.m5.large",
    instance_count=1,
    base_job_name=mark,
    sagemaker_session=session,
)
told = {"framework": left(framework, "framework", "1"), "plain": left(plain, "plain", "2")}
job = framework.latest_job.describe()
told["status"] = job["ProcessingJobStatus"]
try:
    left(plain, "failing", "much")
except Exception as error:  # noqa: BLE001 - the story is what is raised
    told["failed"] = f"{type(error).__name__}: {error}"
print(json.dumps(told))
