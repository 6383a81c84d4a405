"""SDK 2: a script is fitted, deployed, asked, put into the place of the first one, and taken down."""

import json
import sys

import sagemaker
from sagemaker.deserializers import JSONDeserializer
from sagemaker.serializers import JSONSerializer
from sagemaker.sklearn import SKLearn

ROLE = "arn:aws:iam::000000000000:role/jobs"
mark, programs = sys.argv[1:]
session = sagemaker.Session()
rows = session.upload_string_as_file_body("1\n2\n3\n", session.default_bucket(), f"{mark}/rows.csv")


def fitted(rate: float) -> SKLearn:
    estimator = SKLearn(
        entry_point="fit.py",
        source_dir=programs,
        role=ROLE,
        instance_type="ml.m5.large",
        instance_count=1,
        framework_version="1.2-1",
        hyperparameters={"rate": rate},
        metric_definitions=[{"Name": "accuracy", "Regex": "accuracy=([0-9.]+);"}],
        base_job_name=mark,
        sagemaker_session=session,
    )
    estimator.fit({"training": f"s3://{session.default_bucket()}/{mark}/"}, logs=False)
    return estimator


def in_service(name: str) -> None:
    """Wait with boto3, which may be told to look often."""
    session.sagemaker_client.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig={"Delay": 1})


first, second = fitted(0.5), fitted(2.0)
predictor = first.deploy(
    initial_instance_count=1,
    instance_type="ml.m5.large",
    entry_point="serve.py",
    source_dir=programs,
    serializer=JSONSerializer(),
    deserializer=JSONDeserializer(),
    tags=[{"Key": "of", "Value": mark}],
    wait=False,
)
in_service(predictor.endpoint_name)
before = predictor.predict([[1, 2], [3, 4]])

model = second.create_model(entry_point="serve.py", source_dir=programs)
model.create(instance_type="ml.m5.large")
predictor.update_endpoint(
    initial_instance_count=2, instance_type="ml.m5.large", model_name=model.name, tags=[], wait=False
)
in_service(predictor.endpoint_name)
after = predictor.predict([[1, 2], [3, 4]])
variant = session.describe_endpoint(predictor.endpoint_name)["ProductionVariants"][0]

attached = SKLearn.attach(first.latest_training_job.name, sagemaker_session=session)
predictor.delete_model()
predictor.delete_endpoint(delete_endpoint_config=True)
session.sagemaker_client.get_waiter("endpoint_deleted").wait(
    EndpointName=predictor.endpoint_name, WaiterConfig={"Delay": 1}
)
told = {
    "before": before,
    "after": after,
    "instances": variant["CurrentInstanceCount"],
    "attached": attached.model_data == first.model_data,
    "metrics": first.training_job_analytics.dataframe().to_dict("records"),
    "left": session.sagemaker_client.list_endpoints(NameContains=mark)["Endpoints"],
}
print(json.dumps(told))
