"""SDK 2: a model is registered, approved, and deployed from the registry."""

import json
import sys

import sagemaker
from sagemaker import ModelPackage
from sagemaker.deserializers import JSONDeserializer
from sagemaker.model_metrics import MetricsSource, ModelMetrics
from sagemaker.serializers import JSONSerializer
from sagemaker.sklearn import SKLearn

ROLE = "arn:aws:iam::000000000000:role/jobs"
mark, programs = sys.argv[1:]
session = sagemaker.Session()
bucket = session.default_bucket()
rows = session.upload_string_as_file_body("1\n2\n3\n", bucket, f"{mark}/rows.csv")
figures = session.upload_string_as_file_body('{"accuracy": 0.5}', bucket, f"{mark}-figures/evaluation.json")
estimator = SKLearn(
    entry_point="fit.py",
    source_dir=programs,
    role=ROLE,
    instance_type="ml.m5.large",
    framework_version="1.2-1",
    base_job_name=mark,
    sagemaker_session=session,
)
estimator.fit({"training": f"s3://{bucket}/{mark}/"}, logs=False)
registered = estimator.create_model(entry_point="serve.py", source_dir=programs).register(
    content_types=["application/json"],
    response_types=["application/json"],
    inference_instances=["ml.m5.large"],
    transform_instances=["ml.m5.large"],
    model_package_group_name=mark,
    approval_status="PendingManualApproval",
    model_metrics=ModelMetrics(model_statistics=MetricsSource("application/json", figures)),
    customer_metadata_properties={"of": mark},
    description="Multiplies.",
)
registered.update_approval_status("Approved", approval_description="looks right")
found = session.sagemaker_client.describe_model_package(ModelPackageName=registered.model_package_arn)

model = ModelPackage(role=ROLE, model_package_arn=registered.model_package_arn, sagemaker_session=session)
model.deploy(1, "ml.m5.large", endpoint_name=mark, wait=False)
session.sagemaker_client.get_waiter("endpoint_in_service").wait(EndpointName=mark, WaiterConfig={"Delay": 1})
predictor = sagemaker.Predictor(mark, session, JSONSerializer(), JSONDeserializer())
told = {
    "mark": mark,
    "status": found["ModelApprovalStatus"],
    "metrics": found["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"] == figures,
    "metadata": found["CustomerMetadataProperties"],
    "answer": predictor.predict([[4]]),
}
predictor.delete_endpoint()
print(json.dumps(told))
