"""What intake would say of a pipeline folder and a dataset that nobody has uploaded: its own decisions, and no act.

Contents stay where they are. Names, sizes and MD5 sums come instead, and an MD5 sum is the ETag that S3 would give: so
what a run would be named by is known, unless the code changed, or there was too much to send.
"""

from chalicelib.flows.checks.check import Check, Serving, Training, Verdict
from chalicelib.flows.checks.given import Drop, File, PipelineFolder

__all__ = ["Check", "Drop", "File", "PipelineFolder", "Serving", "Training", "Verdict"]
