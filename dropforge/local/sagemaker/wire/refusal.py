"""A refusal as a row of a table: its code, its status, its words, and where AWS's own stand."""

from __future__ import annotations

from dataclasses import dataclass

from dropforge.local.sagemaker.errors import SageMakerError

ASSUMED = "assumed"
"""The source of a row that no public page shows: made like its neighbours."""
OURS = "the local cloud's own"
"""The source of a row that AWS has no need of."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Each room keeps its own in `refusals.py`; docs/local-sagemaker.md tells all of them.

    `when` goes on after "refused when"; `message` has names in braces for what the case gives.
    """

    when: str
    code: str
    message: str
    source: str
    """The address of a public page that shows it, ASSUMED or OURS."""
    status: int = 400

    def __call__(self, **values: object) -> SageMakerError:
        """Give the error to raise; `extra` members of AWS's error shape are added by the caller."""
        return SageMakerError(self.message.format(**values), code=self.code, status=self.status)
