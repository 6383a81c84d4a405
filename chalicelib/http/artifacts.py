"""Download links for what a training job left in the bucket: model, output, and our copy of its log."""

from __future__ import annotations

from typing import Any

from chalicelib.http.bodies import moment
from chalicelib.model import Run
from chalicelib.names import log_key, output_prefix
from chalicelib.ports import Bucket

LINK_SECONDS = 900
"""A link outlives the credentials that signed it no longer than they last; a quarter of an hour starts any download."""


def links(bucket: Bucket, run: Run, *, now: float) -> list[dict[str, Any]]:
    """Sign a link for each that is there: `model`, `output` and `log`."""
    if run.candidate is None:
        return []
    job = run.candidate.job
    folder = f"{output_prefix(run.pipeline, run.id)}{job}/output/"
    keys = {
        "model": f"{folder}model.tar.gz",
        "output": f"{folder}output.tar.gz",
        "log": log_key(run.pipeline, run.id, job),
    }
    ends = moment(now + LINK_SECONDS)
    return [
        {"name": name, "url": bucket.link(key, seconds=LINK_SECONDS), "expires_at": ends}
        for name, key in keys.items()
        if bucket.head(key)
    ]
