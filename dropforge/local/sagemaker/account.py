"""Whose SageMaker it is, and what its things are called in full."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Account:
    number: str
    region: str

    def arn(self, kind: str, name: str) -> str:
        """Give an ARN; SageMaker puts names into them in lower case."""
        return f"arn:aws:sagemaker:{self.region}:{self.number}:{kind}/{name.lower()}"
