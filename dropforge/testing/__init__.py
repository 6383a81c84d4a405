"""For tests of anybody's SageMaker code: a local cloud to run them against, and its faults.

Only the standard library is imported here, and pytest by the plugin: the server is a process of its own, and may live
in an environment of its own.
"""
