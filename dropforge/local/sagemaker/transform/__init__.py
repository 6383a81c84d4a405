"""Transform jobs: a model's answers to every object below a prefix, written beside one another in S3."""
