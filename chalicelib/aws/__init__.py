"""The ports of `chalicelib/ports.py`, answered by AWS: one adapter for each service, the only importers of botocore.

All are made alike, `Bucket(settings)`, and share the clients of their process unless they are given others.
"""
