"""Loads what serving a run takes: its own pipeline version, the one whose [gate] [deploy] [serve] apply, its image."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.decide.serving import Place, Setup, plan_package, plan_serving
from chalicelib.errors import NotFoundError
from chalicelib.images import framework_image
from chalicelib.model import Run, Target
from chalicelib.pipeline import Pipeline, Version, Versions, apply_overrides
from chalicelib.ports import Package, PackageRequest, Records, Registry
from chalicelib.settings import Settings

_ANY = ("*",)
"""What a run.toml may set was judged when its dataset sealed: a stage that allows less now changes no run of then."""


@dataclass(frozen=True, slots=True)
class Trained:
    """How a run was trained: its own version, with the values of its run.toml, and the image."""

    version: Version
    resolved: Pipeline
    image: str


class Setups:
    def __init__(self, *, records: Records, versions: Versions, registry: Registry, settings: Settings) -> None:
        self.records = records
        self.versions = versions
        self.registry = registry
        self.settings = settings
        self.place = Place(settings.names, settings.region, settings.bucket)

    def trained(self, run: Run) -> Trained:
        """Resolve the run's own pipeline; RefusedError where its overrides or its image are not to be had."""
        version = self.versions.load(run.pipeline, run.version)
        resolved = version.pipeline
        if run.overrides.strip():
            resolved = apply_overrides(resolved, run.overrides, _ANY)
        train = resolved.train
        return Trained(
            version, resolved, framework_image(train.framework, train.framework_version, self.settings.region)
        )

    def newest(self, run: Run) -> Version:
        """Give the version whose [gate] [deploy] [serve] apply: the pipeline's newest accepted one."""
        record = self.records.pipeline(run.pipeline)
        return self.versions.load(run.pipeline, (record.version if record else None) or run.version)

    def version(self, run: Run, digest: str) -> Version:
        """Give one accepted version of the run's pipeline."""
        return self.versions.load(run.pipeline, digest)

    def setup(self, run: Run, version: Version, cause: str, known: Target | None = None) -> Setup | None:
        """Plan how a registered run is served under a version; None where that only trains and registers.

        The package is the one that a target of the same run knows, or the run: the registry is searched only among the
        newest.
        """
        trained = self.trained(run)
        package = self._package(run) if known is None else Package(known.package, known.model_version, "")
        return plan_serving(
            run,
            version=version,
            trained=trained.version,
            resolved=trained.resolved,
            image=trained.image,
            package=package,
            place=self.place,
            cause=cause,
        )

    def of_target(self, pipeline: str, target: Target) -> Setup:
        """Plan again what a recorded target takes."""
        run = self.records.run(target.run)
        if run is None:
            raise NotFoundError(f"There is no run {target.run} any more.")
        setup = self.setup(run, self.versions.load(pipeline, target.version), target.cause, target)
        if setup is None:
            raise NotFoundError(f"Version {target.version} does not deploy.")
        return setup

    def _package(self, run: Run) -> Package:
        """Give the package that the run remembers: SageMaker's list shows a new one only after a while."""
        if run.package is not None:
            return Package(run.package, int(run.package.rpartition("/")[2]), "")
        package = self.registry.find(self.settings.names.group(run.pipeline), run.id)
        if package is None:
            raise NotFoundError(f"Run {run.id} has no model package.")
        return package

    def package(
        self, run: Run, labels: tuple[str, ...], why: str, model_uri: str, *, approved: bool = True
    ) -> PackageRequest:
        trained = self.trained(run)
        return plan_package(
            run,
            labels=labels,
            why=why,
            version=self.newest(run),
            trained=trained.version,
            resolved=trained.resolved,
            image=trained.image,
            model_uri=model_uri,
            place=self.place,
            approved=approved,
        )
