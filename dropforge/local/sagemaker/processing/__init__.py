"""Processing jobs: a program over folders that are brought from S3 and taken back to it."""
