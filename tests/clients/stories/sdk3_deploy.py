"""SDK 3: a trained model is built, deployed, asked, registered, asked for every line in S3, and taken down."""

import json
import sys

from sagemaker.core.helper import IamRoleResolver
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.training.configs import Compute, InputData, SourceCode
from sagemaker.serve import ModelBuilder
from sagemaker.train import ModelTrainer

mark, programs, image = sys.argv[1:]
session = Session()
bucket = session.default_bucket()
role = IamRoleResolver(session).create_execution_role(role_type="training")
session.upload_string_as_file_body("1\n2\n3\n", bucket, f"rows/{mark}/rows.csv")
trainer = ModelTrainer(
    training_image=image,
    source_code=SourceCode(source_dir=programs, entry_script="fit.py"),
    compute=Compute(instance_type="ml.m5.large", instance_count=1),
    hyperparameters={"rate": 0.5},
    role=role,
    base_job_name=mark,
    sagemaker_session=session,
)
trainer.train([InputData(channel_name="training", data_source=f"s3://{bucket}/rows/{mark}/")], logs=False)
job = trainer._latest_training_job  # noqa: SLF001 - as the SDK's own examples have it
builder = ModelBuilder(
    s3_model_data_url=job.model_artifacts.s3_model_artifacts,
    image_uri=image,
    source_code=SourceCode(source_dir=programs, entry_script="serve.py"),
    role_arn=role,
    instance_type="ml.m5.large",
    sagemaker_session=session,
)
model = builder.build(model_name=mark)
endpoint = builder.deploy(endpoint_name=mark, initial_instance_count=1, wait=False)
endpoint.wait_for_status("InService", poll=1)
answer = endpoint.invoke(body=json.dumps([[1, 2], [3, 4]]), content_type="application/json")
registered = builder.register(
    model_package_group_name=mark,
    content_types=["application/json"],
    response_types=["application/json"],
    inference_instances=["ml.m5.large"],
    transform_instances=["ml.m5.large"],
    approval_status="Approved",
)
session.upload_string_as_file_body("1,2\n3,4\n", bucket, f"asked/{mark}/some.csv")
transformer = builder.transformer(
    1, "ml.m5.large", "SingleRecord", "Line", output_path=f"s3://{bucket}/answers/{mark}", accept="text/csv"
)
transformer.transform(f"s3://{bucket}/asked/{mark}/", content_type="text/csv", split_type="Line", logs=False)
told = {
    "transformed": session.read_s3_file(bucket, f"answers/{mark}/some.csv.out"),
    "answer": json.loads(answer.body.read()),
    "approval": session.sagemaker_client.describe_model_package(ModelPackageName=registered)["ModelApprovalStatus"],
}
endpoint.delete()
endpoint.wait_for_delete(poll=1)
print(json.dumps(told))
