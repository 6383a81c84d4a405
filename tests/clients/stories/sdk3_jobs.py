"""SDK 3: a processor over rows in S3, and a tuner."""

import json
import sys

from sagemaker.core.helper import IamRoleResolver
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.parameter import CategoricalParameter
from sagemaker.core.processing import ScriptProcessor
from sagemaker.core.resources import TrainingJob
from sagemaker.core.shapes import ProcessingInput, ProcessingOutput, ProcessingS3Input, ProcessingS3Output
from sagemaker.core.training.configs import Compute, InputData, SourceCode
from sagemaker.train import ModelTrainer
from sagemaker.train.tuner import HyperparameterTuner

mark, programs, image = sys.argv[1:]
session = Session()
bucket = session.default_bucket()
role = IamRoleResolver(session).create_execution_role(role_type="training")
session.upload_string_as_file_body("1\n2\n3\n", bucket, f"rows/{mark}/rows.csv")
rows = f"s3://{bucket}/rows/{mark}/"

processor = ScriptProcessor(
    role=role,
    image_uri=image,
    command=["python3"],
    instance_type="ml.m5.large",
    instance_count=1,
    base_job_name=mark,
    sagemaker_session=session,
)
side = ProcessingS3Input(
    s3_uri=rows, local_path="/opt/ml/processing/input/rows", s3_data_type="S3Prefix", s3_input_mode="File"
)
there = f"s3://{bucket}/sums/{mark}"
left = ProcessingS3Output(s3_uri=there, local_path="/opt/ml/processing/output", s3_upload_mode="EndOfJob")
processor.run(
    code=f"{programs}/sum.py",
    inputs=[ProcessingInput(input_name="rows", s3_input=side)],
    outputs=[ProcessingOutput(output_name="sum", s3_output=left)],
    arguments=["--times", "3"],
    logs=False,
)
told = {"sum": session.read_s3_file(bucket, f"sums/{mark}/sum.txt")}

tuner = HyperparameterTuner(
    model_trainer=ModelTrainer(
        training_image=image,
        source_code=SourceCode(source_dir=programs, entry_script="fit.py"),
        compute=Compute(instance_type="ml.m5.large", instance_count=1),
        role=role,
        base_job_name=mark,
        sagemaker_session=session,
    ),
    objective_metric_name="accuracy",
    metric_definitions=[{"Name": "accuracy", "Regex": "accuracy=([0-9.]+);"}],
    hyperparameter_ranges={"rate": CategoricalParameter(["0.25", "0.5"])},
    strategy="Grid",
    max_jobs=2,
    max_parallel_jobs=2,
    base_tuning_job_name=mark[-8:],
)
tuner.tune(inputs=[InputData(channel_name="training", data_source=rows)], wait=True)
told["best"] = TrainingJob.get(tuner.best_training_job()).hyper_parameters["rate"]
print(json.dumps(told))
