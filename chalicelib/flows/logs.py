"""The log of a training job, read to its end, and our copy of it in the bucket: CloudWatch forgets, a run keeps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chalicelib.model import Run
from chalicelib.names import log_key
from chalicelib.ports import Bucket, Jobs

PAGES = 100
COPY_LIMIT = 16 * 1024 * 1024
"""Bytes of a copy; a function holds it in memory."""
_CUT = "[This copy ends here, at {limit} MB: the whole log is in CloudWatch Logs.]"


@dataclass(frozen=True, slots=True)
class Logs:
    jobs: Jobs
    bucket: Bucket

    def keep(self, run: Run, job: str) -> tuple[str, ...]:
        """Read a job's log and write our copy; gives its lines. Doing it again writes the same."""
        lines = tuple(self._read(job))
        if lines:
            self.bucket.write(
                log_key(run.pipeline, run.id, job), _bounded(lines), content_type="text/plain; charset=utf-8"
            )
        return lines

    def _read(self, job: str) -> Iterator[str]:
        """Read to the end: there the token comes back unchanged. A page before it may be empty, too."""
        after: str | None = None
        for _ in range(PAGES):
            page = self.jobs.log(job, after=after)
            yield from (line.text for line in page.items)
            if page.next in {None, after}:
                return
            after = page.next


def _bounded(lines: Sequence[str]) -> bytes:
    copy = bytearray()
    for line in lines:
        data = f"{line}\n".encode(errors="replace")
        if len(copy) + len(data) > COPY_LIMIT:
            return bytes(copy) + _CUT.format(limit=COPY_LIMIT // 1024**2).encode() + b"\n"
        copy += data
    return bytes(copy)
