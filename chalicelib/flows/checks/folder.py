"""A pipeline's folder that was told of, beside the one in the bucket: what would be accepted, and what is other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from chalicelib.flows.checks.given import UNKNOWN, PipelineFolder
from chalicelib.flows.folders import FILE, Listing, list_folder, refuse_unread
from chalicelib.model import S3Object
from chalicelib.names import is_pipeline, no_pipeline, version_prefix
from chalicelib.pipeline import Pipeline, PipelineRefused, Problem, Smoke, Version, parse
from chalicelib.pipeline.folder import absent, source_files
from chalicelib.pipeline.schema import SmokeTest
from chalicelib.wiring import Flows


@dataclass
class Folder:
    flows: Flows
    given: PipelineFolder
    notes: list[str] = field(default_factory=list)

    @property
    def _is_whole(self) -> bool:
        return self.given.count <= len(self.given.files)

    @cached_property
    def _listing(self) -> Listing:
        prefix = f"pipelines/{self.given.name}/"
        return Listing(prefix, {each.path: each.under(prefix) for each in self.given.files})

    def parse(self) -> Pipeline:
        """Read the pipeline file as intake does, with the same rules over the folder's files; else PipelineRefused."""
        given, allowed, sizes = self.given, self.flows.world.settings.instance_types, self._listing.sizes
        if not is_pipeline(given.name):
            raise PipelineRefused([Problem(None, "", no_pipeline(given.name))])
        refuse_unread(self._listing)
        if self._is_whole:
            return parse(given.toml, instance_types=allowed, checks=[lambda each: absent(each, sizes)])
        self.notes.append(
            f"The folder has {given.count:,} files, too many to name: whether it holds what the file speaks of is not "
            "checked."
        )
        return parse(given.toml, instance_types=allowed)

    @cached_property
    def accepted(self) -> Version | None:
        return self.flows.datasets.sight.version(self.given.name)

    @cached_property
    def changed(self) -> frozenset[str] | None:
        """Name the files that are not what lies in the bucket; None where that is not what was accepted."""
        record = self.flows.world.records.pipeline(self.given.name)
        clean = record is not None and record.version and record.problem is None and record.timer is None
        if not clean or not self._is_whole:
            return None
        there, here = list_folder(self.flows.world.bucket, self.given.name).objects, self._listing.objects
        return frozenset(path for path in {*there, *here} if not _are_same(here.get(path), there.get(path)))

    def differs(self, paths: Iterable[str]) -> bool:
        """Tell whether one of these is other than what was accepted, or nobody can tell."""
        return self.changed is None or not self.changed.isdisjoint(paths)

    def code(self, source_dir: str) -> list[str]:
        """Name the files of a source folder, those included that would be gone."""
        return source_files(source_dir, dict.fromkeys(self.changed or (), 0) | dict(self._listing.sizes))

    def version(self, pipeline: Pipeline) -> Version:
        """Make the version that would be accepted; what cannot be known of it is marked so."""
        accepted, code = self.accepted, self.code(pipeline.train.source_dir)
        tests = pipeline.deploy.smoke_test if pipeline.deploy else ()
        parts = [FILE, *code, *self.code(pipeline.serving_source_dir), *(test.payload for test in tests)]
        if accepted is not None and not self.differs(parts):
            return accepted
        prefix = version_prefix(self.given.name, UNKNOWN)
        return Version(
            digest=UNKNOWN,
            pipeline=pipeline,
            code_key=f"{prefix}sourcedir.tar.gz",
            code_digest=UNKNOWN if accepted is None or self.differs(code) else accepted.code_digest,
            serve_code_key=f"{prefix}serve-sourcedir.tar.gz",
            serve_code_digest=UNKNOWN,
            smoke=tuple(self._smoke(test) for test in tests),
            accepted_at=self.flows.world.clock(),
        )

    def _smoke(self, test: SmokeTest) -> Smoke:
        """Expect of a payload what the file says; its digest is known where the accepted version has the same."""
        accepted = self.accepted
        tests = accepted.pipeline.deploy.smoke_test if accepted and accepted.pipeline.deploy else ()
        frozen = zip(tests, accepted.smoke if accepted else (), strict=False)
        known = {} if self.differs([test.payload]) else {old.payload: smoke.digest for old, smoke in frozen}
        digest = known.get(test.payload, UNKNOWN)
        return Smoke(test.payload, digest, test.content_type, test.expect_label, test.min_score)


def _are_same(here: S3Object | None, there: S3Object | None) -> bool:
    """Compare a file with an object; the ETag of one that came in parts says nothing of its content."""
    if here is None or there is None:
        return False
    return here.size == there.size and ("-" in there.etag or here.etag == there.etag)
