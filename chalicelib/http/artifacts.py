"""Download links for what a training job left in the bucket."""

from __future__ import annotations

from typing import Any

from chalicelib.http.bodies import moment
from chalicelib.model import Run
from chalicelib.names import output_prefix
from chalicelib.ports import Bucket

LINK_SECONDS = 900
"""A link outlives the credentials that signed it no longer than they last; a quarter of an hour starts any download."""


def links(bucket: Bucket, run: Run, *, now: float) -> list[dict[str, Any]]:
    """Sign a link for each archive that is there: `model` and `output`."""
    if run.candidate is None:
        return []
    folder = f"{output_prefix(run.pipeline, run.id)}{run.candidate.job}/output/"
    there = [name for name in ("model", "output") if bucket.head(f"{folder}{name}.tar.gz")]
    ends = moment(now + LINK_SECONDS)
    return [
        {"name": name, "url": bucket.link(f"{folder}{name}.tar.gz", seconds=LINK_SECONDS), "expires_at": ends}
        for name in there
    ]
