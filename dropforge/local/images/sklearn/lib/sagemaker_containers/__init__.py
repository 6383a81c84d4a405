"""The part of AWS's `sagemaker_containers` that inference scripts import."""
