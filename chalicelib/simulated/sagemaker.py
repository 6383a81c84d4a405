"""SageMaker in a simulation: what was asked for has begun, and goes no further by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

from chalicelib.errors import AlreadyExistsError, ConflictError, NotFoundError
from chalicelib.names import run12
from chalicelib.ports import (
    ConfigRequest,
    EndpointSeen,
    Hosting,
    Jobs,
    JobSeen,
    ModelRequest,
    Package,
    PackageRequest,
    Registry,
    TrainingJob,
)
from chalicelib.simulated.journal import Journal, SimulationEnd
from chalicelib.simulated.overlay import Overlay


class SimulatedJobs(Overlay):
    port = "jobs"
    reads = frozenset({"log"})

    def __init__(self, real: Jobs, journal: Journal) -> None:
        super().__init__(real, journal)
        self._jobs = real
        self._seen: dict[str, JobSeen] = {}

    def start(self, job: TrainingJob) -> None:
        if self.describe(job.name) is not None:
            raise AlreadyExistsError(f"Training job names must be unique: {job.name}.", name=job.name)
        self._seen[job.name] = JobSeen(job.name, "InProgress", "Starting", request=job.request)
        channels = ", ".join(f"{each.name} ({each.objects:,} objects)" for each in job.channels)
        what = f"start the training job {job.name} on {job.instance_type}: {channels}"
        self._journal.note("jobs", "start", what, call="CreateTrainingJob", names=(job.name,), costs=True)

    def describe(self, name: str) -> JobSeen | None:
        return self._seen[name] if name in self._seen else self._journal.look(lambda: self._jobs.describe(name))

    def stop(self, name: str) -> None:
        seen = self.describe(name)
        if seen is not None and seen.status == "InProgress":
            self._seen[name] = replace(seen, status="Stopping", secondary="Stopping")
        self._journal.note("jobs", "stop", f"stop the training job {name}", call="StopTrainingJob", names=(name,))


class SimulatedRegistry(Overlay):
    """A package that would be registered has the version 0: SageMaker alone counts them."""

    port = "registry"
    reads = frozenset({"run_of"})

    def __init__(self, real: Registry, journal: Journal) -> None:
        super().__init__(real, journal)
        self._registry = real
        self._packages: dict[str, Package] = {}
        self._made: dict[tuple[str, str], str] = {}

    def find(self, group: str, run: str) -> Package | None:
        if (group, run) in self._made:
            return self._packages[self._made[group, run]]
        found = self._journal.look(lambda: self._registry.find(group, run))
        return self._packages.get(found.arn, found) if found is not None else None

    def describe(self, arn: str) -> Package | None:
        ours = self._packages.get(arn)
        return ours or self._journal.look(lambda: self._registry.describe(arn))

    def register(self, package: PackageRequest) -> Package:
        """Register it, unless its run has a package; one of a later attempt always counts as new."""
        found = self.find(package.group, package.run) if package.attempt == 1 else None
        if found is None:
            arn = f"arn:aws:sagemaker:simulated:0:model-package/{package.group}/0"
            found = self._packages[arn] = Package(arn, 0, "PendingManualApproval", package.run, package.note)
            self._made[package.group, package.run] = arn
            what = f"register run {run12(package.run)} as the next version of {package.group}: {package.note}"
            self._journal.note("registry", "register", what, call="CreateModelPackage", names=(package.group,))
        if package.approved and found.approval == "PendingManualApproval":
            return self.decide(found.arn, approved=True, note=package.note)
        return found

    def decide(self, arn: str, *, approved: bool, note: str) -> Package:
        found = self.describe(arn)
        if found is None:
            raise NotFoundError(f"ModelPackage {arn} does not exist.", name=arn)
        approval = "Approved" if approved else "Rejected"
        decided = self._packages[arn] = replace(found, approval=approval, note=note)
        what = f"{'approve' if approved else 'reject'} {arn}: {note}"
        self._journal.note("registry", "decide", what, call="UpdateModelPackage", names=(arn,))
        return decided


class SimulatedHosting(Overlay):
    port = "hosting"

    def __init__(self, real: Hosting, journal: Journal) -> None:
        super().__init__(real, journal)
        self._hosting = real
        self._endpoints: dict[str, EndpointSeen] = {}

    def ensure_model(self, model: ModelRequest) -> None:
        what = f"see that the model {model.name} exists"
        self._journal.note("hosting", "ensure_model", what, call="CreateModel", names=(model.name,))

    def ensure_config(self, config: ConfigRequest) -> None:
        size = f"{config.instance_type}, {config.instance_count} of them"
        what = f"see that the endpoint configuration {config.name} exists ({size})"
        self._journal.note("hosting", "ensure_config", what, call="CreateEndpointConfig", names=(config.name,))

    def endpoint(self, name: str) -> EndpointSeen | None:
        ours = self._endpoints.get(name)
        return ours or self._journal.look(lambda: self._hosting.endpoint(name))

    def create_endpoint(self, name: str, config: str) -> None:
        if self.endpoint(name) is not None:
            raise AlreadyExistsError(f'Cannot create already existing endpoint "{name}".', name=name)
        self._endpoints[name] = EndpointSeen(name, "Creating", config, created_at=self._journal.clock())
        what = f"create the endpoint {name} from {config}"
        self._journal.note("hosting", "create_endpoint", what, call="CreateEndpoint", names=(name, config), costs=True)

    def update_endpoint(self, name: str, config: str) -> None:
        seen = self.endpoint(name)
        if seen is None:
            raise NotFoundError(f'Could not find endpoint "{name}".', name=name)
        if seen.status != "InService":
            raise ConflictError(f"Cannot update endpoint {name} while it is {seen.status}.", status=seen.status)
        self._endpoints[name] = replace(seen, status="Updating")
        what = f"update the endpoint {name} from {seen.config} to {config}"
        self._journal.note("hosting", "update_endpoint", what, call="UpdateEndpoint", names=(name, config), costs=True)

    def delete_endpoint(self, name: str) -> None:
        seen = self.endpoint(name)
        if seen is None or seen.status == "Deleting":
            return
        if seen.status not in {"InService", "Failed"}:
            raise ConflictError(f"Cannot delete endpoint {name} while it is {seen.status}.", status=seen.status)
        self._endpoints[name] = replace(seen, status="Deleting")
        self._journal.note(
            "hosting", "delete_endpoint", f"delete the endpoint {name}", call="DeleteEndpoint", names=(name,)
        )

    def delete_config(self, name: str) -> None:
        what = f"delete the endpoint configuration {name}"
        self._journal.note("hosting", "delete_config", what, call="DeleteEndpointConfig", names=(name,))

    def delete_model(self, name: str) -> None:
        what = f"delete the model {name}"
        self._journal.note("hosting", "delete_model", what, call="DeleteModel", names=(name,))

    def rehearsals(self, *, limit: int) -> Sequence[EndpointSeen]:
        real = self._journal.look(lambda: self._hosting.rehearsals(limit=limit))
        return tuple(self._endpoints.get(each.name, each) for each in real)

    def invoke(self, endpoint: str, payload: bytes, *, content_type: str, accept: str, seconds: float) -> NoReturn:
        """End here: the answer decides what comes next, and asking for it is no reading."""
        del accept, seconds
        what = f"ask {endpoint} with a smoke test ({len(payload):,} bytes of {content_type})"
        self._journal.note("hosting", "invoke", what, call="InvokeEndpoint", names=(endpoint,))
        raise SimulationEnd(f"What comes next depends on what {endpoint} would answer, and it was not asked.")
