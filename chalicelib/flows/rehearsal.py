"""Smoke tests on an endpoint, and the end of rehearsal endpoints that nobody wants any more."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chalicelib.decide.serving import Setup
from chalicelib.decide.smoke import judge_answer
from chalicelib.errors import (
    ConflictError,
    InvocationError,
    InvocationTimeoutError,
    NotFoundError,
)
from chalicelib.model import ReleaseStage
from chalicelib.names import Names
from chalicelib.pipeline import Smoke
from chalicelib.ports import Bucket, Clock, Hosting, Records
from chalicelib.predict.answer import Prediction, UnreadableAnswerError

SECONDS = 60.0
"""How long a container may take for one answer: SageMaker's own limit for a real-time call."""
ALL_SECONDS = 90.0
"""How long all tests of one look may take together; none begins later. With the last answer that is half of the time
which a function has that tests: were it cut off in between, the same tests would begin anew, for ever."""
SWEPT = 50
"""Rehearsal endpoints looked at in one sweep."""

ReadAnswer = Callable[[bytes, tuple[str, ...], int], Sequence[Prediction]]


class SmokeTests:
    def __init__(self, *, bucket: Bucket, hosting: Hosting, clock: Clock, read: ReadAnswer) -> None:
        self.bucket = bucket
        self.hosting = hosting
        self.clock = clock
        self.read = read

    def failure(self, endpoint: str, setup: Setup) -> str | None:
        """Run every test in order; give the first failure as the rest of a sentence, None if all passed."""
        deadline = self.clock() + ALL_SECONDS
        for number, test in enumerate(setup.smoke, start=1):
            if self.clock() >= deadline:
                return f"the smoke tests took too long: only {number - 1} had ended after {ALL_SECONDS:g} seconds"
            reason = self._fails(endpoint, test, setup)
            if reason is not None:
                return f"smoke test {number} failed: {reason}"
        return None

    def _fails(self, endpoint: str, test: Smoke, setup: Setup) -> str | None:
        if test.content_type not in setup.accept:
            return f"its content type {test.content_type} is not under accept in [serve]"
        try:
            payload = self.bucket.read(test.key)
            answer = self.hosting.invoke(
                endpoint, payload, content_type=test.content_type, accept="application/json", seconds=SECONDS
            )
            return judge_answer(test, self.read(answer.body, setup.target.labels, setup.top_k))
        except UnreadableAnswerError as error:
            return f"the answer cannot be read: {error.message}"
        except (InvocationError, InvocationTimeoutError, NotFoundError) as error:
            return error.message


def sweep(hosting: Hosting, records: Records, names: Names) -> tuple[str, ...]:
    """Delete every rehearsal endpoint that its release does not want now; give their names.

    The list is read before the releases, and a release wants its rehearsal before it makes it: none goes too early.
    """
    swept = []
    for seen in hosting.rehearsals(limit=SWEPT):
        if seen.status == "Deleting" or _is_wanted(seen.name, records, names):
            continue
        try:
            hosting.delete_endpoint(seen.name)
        except ConflictError:
            continue  # still coming up: the next sweep finds it again
        swept.append(seen.name)
    return tuple(swept)


def _is_wanted(name: str, records: Records, names: Names) -> bool:
    pipeline = names.endpoint_pipeline(name)
    if pipeline is None:
        return True  # a stranger's: not ours to delete
    release = records.release(pipeline)
    if release is None or release.desired is None or release.stage is not ReleaseStage.REHEARSING:
        return False
    return names.rehearsal(pipeline, release.desired.digest) == name
