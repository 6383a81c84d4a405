"""Endpoints in memory, as strict as SageMaker: every change takes a while, and InService is not success."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Literal

from chalicelib.errors import (
    AlreadyExistsError,
    ConflictError,
    InvocationError,
    InvocationTimeoutError,
    NotFoundError,
    UnavailableError,
)
from chalicelib.names import Names
from chalicelib.ports import Answer, Clock, ConfigRequest, EndpointSeen, ModelRequest
from tests.fakes.bucket import FakeBucket

How = Literal[
    "fails-creation", "fails-update", "never-up", "no-capacity", "answers-wrongly", "errors", "hangs", "takes-none"
]
Say = bytes | Answer | Callable[[bytes], bytes | Answer]

RIGHT = b'{"predictions": [{"label": "7", "score": 0.98}, {"label": "1", "score": 0.02}]}'
WRONG = b'{"predictions": [{"label": "wrong", "score": 1.0}]}'
NO_CAPACITY = "CapacityError: Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity."
PING_TOLD = "The primary container for production variant main did not pass the ping health check."


@dataclass(frozen=True, slots=True)
class _Endpoint:
    seen: EndpointSeen
    wanted: str
    """The configuration that a creation or update is on its way to."""


class FakeHosting:
    def __init__(self, clock: Clock, names: Names, bucket: FakeBucket) -> None:
        self.clock = clock
        self.bucket = bucket
        self.names = names
        self.answers: dict[str, Say] = {}
        """By configuration or model name: what its container says, or a function of the payload."""
        self.models: dict[str, ModelRequest] = {}
        self.configs: dict[str, ConfigRequest] = {}
        self.invoked: list[tuple[str, str, str]] = []
        """(endpoint, the configuration that answered, content type), in order."""
        self.updates: list[tuple[str, str]] = []
        """(endpoint, configuration) of every creation and update that was accepted, in order."""
        self.deletes_what_is_used = False
        """As SageMaker does; a test that means it has to say so."""
        self._endpoints: dict[str, _Endpoint] = {}
        self._broken: dict[str, How] = {}

    def ensure_model(self, model: ModelRequest) -> None:
        if model.name not in self.models and not self.bucket.keys(model.model_uri.split("/", 3)[3]):
            raise NotFoundError(f"Could not find model data at {model.model_uri}.", name=model.name)
        kept = self.models.setdefault(model.name, deepcopy(model))
        if kept.environment.get("DROPFORGE_REQUEST") != model.environment.get("DROPFORGE_REQUEST"):
            raise ConflictError(f"The model {model.name} holds something else.", name=model.name)

    def ensure_config(self, config: ConfigRequest) -> None:
        if config.model not in self.models:
            raise NotFoundError(f'Could not find model "{config.model}".', name=config.model)
        if self.configs.setdefault(config.name, config) != config:
            raise ConflictError(f"The endpoint configuration {config.name} holds something else.", name=config.name)

    def endpoint(self, name: str) -> EndpointSeen | None:
        return self._endpoints[name].seen if name in self._endpoints else None

    def create_endpoint(self, name: str, config: str) -> None:
        if name in self._endpoints:
            raise AlreadyExistsError(f'Cannot create already existing endpoint "{name}".', name=name)
        self._need_config(config)
        seen = EndpointSeen(name, "Creating", config, created_at=self.clock())
        self._endpoints[name] = _Endpoint(seen, config)
        self.updates.append((name, config))

    def update_endpoint(self, name: str, config: str) -> None:
        if name not in self._endpoints:
            raise NotFoundError(f'Could not find endpoint "{name}".', name=name)
        self._need_config(config)
        seen = self._endpoints[name].seen
        if seen.status != "InService":
            raise ConflictError(f"Cannot update endpoint {name} while it is {seen.status}.", status=seen.status)
        self._endpoints[name] = _Endpoint(replace(seen, status="Updating"), config)
        self.updates.append((name, config))

    def delete_endpoint(self, name: str) -> None:
        if name not in self._endpoints or self._endpoints[name].seen.status == "Deleting":
            return
        seen = self._endpoints[name].seen
        if seen.status not in {"InService", "Failed"}:
            raise ConflictError(f"Cannot delete endpoint {name} while it is {seen.status}.", status=seen.status)
        self._change(name, status="Deleting")

    def delete_config(self, name: str) -> None:
        self._unused(name)
        self.configs.pop(name, None)

    def delete_model(self, name: str) -> None:
        for config in self.configs.values():
            if config.model == name:
                self._unused(config.name)
        self.models.pop(name, None)

    def rehearsals(self, *, limit: int) -> Sequence[EndpointSeen]:
        head = self.names.head
        found = [
            replace(endpoint.seen, config=None)
            for name, endpoint in self._endpoints.items()
            if name.startswith(head) and "-rehearse-" in name
        ]
        return tuple(sorted(found, key=lambda seen: seen.created_at or 0)[:limit])

    def invoke(self, endpoint: str, payload: bytes, *, content_type: str, accept: str, seconds: float) -> Answer:
        found = self._endpoints.get(endpoint)
        if found is None or found.seen.config is None or found.seen.status not in {"InService", "Updating"}:
            raise NotFoundError(f"Endpoint {endpoint} not found.", name=endpoint)
        config = self.configs[found.seen.config]
        self.invoked.append((endpoint, config.name, content_type))
        how = self._broken.get(config.name)
        if how == "errors":
            raise InvocationError("Received server error (500) from main.", container_status=500, body="it broke")
        if how == "takes-none":
            raise UnavailableError("No server is healthy.")
        if how == "hangs":
            raise InvocationTimeoutError(f"No answer in {seconds} seconds.", seconds=seconds)
        said = WRONG if how == "answers-wrongly" else self.answers.get(config.name, self.answers.get(config.model))
        body = (said(payload) if callable(said) else said) if said is not None else RIGHT
        if isinstance(body, Answer):
            return body
        run = self.models[config.model].environment.get("DROPFORGE_RUN")
        return Answer(body, accept, f"dropforge-run={run}" if run else "")

    # What a test does: SageMaker's side.

    @property
    def endpoints(self) -> Mapping[str, EndpointSeen]:
        return {name: endpoint.seen for name, endpoint in self._endpoints.items()}

    def broken(self, config: str, how: How) -> None:
        """Plant a fault in whatever comes up with this configuration."""
        self._broken[config] = how

    def mended(self, config: str) -> None:
        self._broken.pop(config, None)

    def settle(self) -> None:
        """Let every change that is under way end, one way or the other."""
        for name, endpoint in list(self._endpoints.items()):
            how = self._broken.get(endpoint.wanted)
            match endpoint.seen.status:
                case "Deleting":
                    del self._endpoints[name]
                case "Creating" if how == "fails-creation":
                    self._change(name, status="Failed", reason=PING_TOLD)
                case "Creating" if how == "no-capacity":
                    self._change(name, status="Failed", reason=NO_CAPACITY)
                case "Updating" if how == "no-capacity":
                    self._endpoints[name] = replace(endpoint, wanted=endpoint.seen.config or endpoint.wanted)
                    self._change(name, status="InService", reason=NO_CAPACITY)
                case "Updating" if how in {"fails-creation", "fails-update"}:
                    self._endpoints[name] = replace(endpoint, wanted=endpoint.seen.config or endpoint.wanted)
                    self._change(name, status="InService")
                case "Creating" | "Updating" if how != "never-up":
                    self._change(name, status="InService", config=endpoint.wanted, reason=None)

    def break_endpoint(self, name: str, status: str = "Failed", reason: str = "It broke by itself.") -> None:
        """Put an endpoint into a state that no call of ours leads to."""
        self._change(name, status=status, reason=reason)

    def _change(self, name: str, **changes: str | None) -> None:
        endpoint = self._endpoints[name]
        seen = replace(endpoint.seen, **changes)  # type: ignore[arg-type] # str fields alone are changed
        self._endpoints[name] = replace(endpoint, seen=seen)

    def _need_config(self, config: str) -> None:
        if config not in self.configs:
            raise NotFoundError(f'Could not find endpoint configuration "{config}".', name=config)

    def _unused(self, config: str) -> None:
        """SageMaker allows what its documentation forbids: deleting what an endpoint uses breaks its next change."""
        users = [name for name, it in self._endpoints.items() if config in {it.seen.config, it.wanted} and _up(it)]
        if users and not self.deletes_what_is_used:
            raise AssertionError(f"{config} is in use by {users}")


def _up(endpoint: _Endpoint) -> bool:
    return endpoint.seen.status not in {"Deleting", "Failed"}
