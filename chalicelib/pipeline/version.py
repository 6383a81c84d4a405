"""An accepted version of a pipeline: its file, its code and its smoke payloads, frozen together in the bucket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from chalicelib.pipeline.schema import Pipeline


@dataclass(frozen=True, slots=True)
class Smoke:
    """One smoke test, in the order of the file: the key of its frozen payload, and what is expected of the answer."""

    key: str
    digest: str
    """sha256 of the payload, in hex."""
    content_type: str
    expect_label: str | None = None
    min_score: float | None = None


@dataclass(frozen=True, slots=True)
class Version:
    digest: str
    """sha256, in hex, over the file's text, the code and the smoke payloads."""
    pipeline: Pipeline
    code_key: str
    """Key of the training code's sourcedir.tar.gz."""
    code_digest: str
    serve_code_key: str
    """Key of the serving code's archive; the training code's, unless [serve] brings its own source."""
    serve_code_digest: str
    smoke: tuple[Smoke, ...] = ()
    accepted_at: float = 0.0


class Versions(Protocol):
    """The accepted versions of all pipelines."""

    def load(self, pipeline: str, digest: str) -> Version: ...
