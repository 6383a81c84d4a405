"""SDK 3: a trainer with a script of its own, one with a command, and what a failure tells."""

import json
import sys

from sagemaker.core.helper import IamRoleResolver
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.resources import TrainingJob
from sagemaker.core.training.configs import Compute, InputData, SourceCode
from sagemaker.train import ModelTrainer

mark, programs, image = sys.argv[1:]
session = Session()
bucket = session.default_bucket()
role = IamRoleResolver(session).create_execution_role(role_type="training")
session.upload_string_as_file_body("1\n2\n3\n", bucket, f"rows/{mark}/rows.csv")
rows = InputData(channel_name="training", data_source=f"s3://{bucket}/rows/{mark}/")


def trainer(name: str, source: SourceCode, **hyperparameters: object) -> ModelTrainer:
    return ModelTrainer(
        training_image=image,
        source_code=source,
        compute=Compute(instance_type="ml.m5.large", instance_count=1),
        hyperparameters=hyperparameters,
        role=role,
        base_job_name=f"{mark}-{name}",
        sagemaker_session=session,
    )


def ended(made: ModelTrainer) -> TrainingJob:
    made.train(input_data_config=[rows], wait=True, logs=False)
    return made._latest_training_job  # noqa: SLF001 - as the SDK's own examples have it


script = ended(trainer("script", SourceCode(source_dir=programs, entry_script="fit.py"), rate=0.5))
command = SourceCode(source_dir=programs, command="python fit.py", args=["--rate", 0.75])
told = {
    "script": [script.training_job_status, script.model_artifacts.s3_model_artifacts],
    "command": ended(trainer("command", command)).training_job_status,
}
try:
    ended(trainer("failing", SourceCode(source_dir=programs, entry_script="fit.py"), rate="much"))
except Exception as error:  # noqa: BLE001 - the story is what is raised
    told["failed"] = f"{type(error).__name__}: {error}"
print(json.dumps(told))
