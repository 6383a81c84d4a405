"""SDK 2: a tuner tries rates, tells which was the best, and deploys that one."""

import json
import sys

import sagemaker
from sagemaker.deserializers import JSONDeserializer
from sagemaker.serializers import JSONSerializer
from sagemaker.sklearn import SKLearn
from sagemaker.tuner import CategoricalParameter, ContinuousParameter, HyperparameterTuner

ROLE = "arn:aws:iam::000000000000:role/jobs"
mark, programs = sys.argv[1:]
session = sagemaker.Session()
bucket = session.default_bucket()
session.upload_string_as_file_body("1\n2\n3\n", bucket, f"rows/{mark}/rows.csv")


def tuner(name: str, strategy: str, **more: object) -> HyperparameterTuner:
    estimator = SKLearn(
        entry_point="fit.py",
        source_dir=programs,
        role=ROLE,
        instance_type="ml.m5.large",
        framework_version="1.2-1",
        sagemaker_session=session,
    )
    made = HyperparameterTuner(
        estimator,
        objective_metric_name="accuracy",
        metric_definitions=[{"Name": "accuracy", "Regex": "accuracy=([0-9.]+);"}],
        strategy=strategy,
        max_jobs=3,
        max_parallel_jobs=2,
        base_tuning_job_name=f"{mark[-8:]}-{name}",
        **more,
    )
    made.fit({"training": f"s3://{bucket}/rows/{mark}/"}, wait=False)
    session.wait_for_tuning_job(made.latest_tuning_job.name, poll=1)
    return made


grid = tuner("grid", "Grid", hyperparameter_ranges={"rate": CategoricalParameter(["0.25", "0.5", "0.75"])})
bayes = tuner("bayes", "Bayesian", hyperparameter_ranges={"rate": ContinuousParameter(0.1, 0.9)})
rates = grid.analytics().dataframe()
best = session.describe_training_job(grid.best_training_job())
predictor = (
    grid.best_estimator()
    .create_model(entry_point="serve.py", source_dir=programs)
    .deploy(
        1, "ml.m5.large", serializer=JSONSerializer(), deserializer=JSONDeserializer(), endpoint_name=mark, wait=False
    )
)
session.sagemaker_client.get_waiter("endpoint_in_service").wait(EndpointName=mark, WaiterConfig={"Delay": 1})
told = {
    "tried": sorted(float(value) for value in rates["FinalObjectiveValue"]),
    "best": json.loads(best["HyperParameters"]["rate"]),
    "answer": predictor.predict([[4]]),
    "bayes": len(bayes.analytics().dataframe()),
}
predictor.delete_endpoint()
print(json.dumps(told))
