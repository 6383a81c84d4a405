"""Channels: what a job asked for in S3, brought to it as files or through pipes."""
