"""Hyperparameter tuning jobs: many training jobs, each with values that the ones before make promising."""
