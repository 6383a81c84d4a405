"""What `ports.Hosting` promises: InService is not success, and the old model answers until the new one can."""

from __future__ import annotations

import pytest

from chalicelib.errors import (
    AlreadyExistsError,
    ConflictError,
    InvocationError,
    InvocationTimeoutError,
    NotFoundError,
)
from chalicelib.ports import Answer, ConfigRequest, ModelRequest
from tests.contracts import programs
from tests.contracts.worlds import ContractWorld, existing

NONE = "0" * 12


def config(world: ContractWorld, number: int = 1) -> str:
    return world.names.immutable("digits", f"{number:012}")


def up(world: ContractWorld, says: str = '{"says": "one"}') -> str:
    """Bring an endpoint into service with configuration 1."""
    name = world.names.endpoint("digits")
    world.host(config(world), says)
    world.hosting.create_endpoint(name, config(world))
    assert existing(world.settled(name)).status == "InService"
    return name


def ask(world: ContractWorld, endpoint: str, seconds: float = 10) -> Answer:
    return world.hosting.invoke(
        endpoint, b"\x89PNG", content_type="image/png", accept="application/json", seconds=seconds
    )


def seen(world: ContractWorld, endpoint: str) -> tuple[str, str | None]:
    found = existing(world.hosting.endpoint(endpoint))
    return found.status, found.config


def model(world: ContractWorld, request: str = "ab" * 32) -> ModelRequest:
    world.put("models/model.tar.gz", programs.archive())
    uri = f"s3://{world.bucket.name}/models/model.tar.gz"
    return ModelRequest(config(world), programs.IMAGE, uri, {"DROPFORGE_REQUEST": request})


def test_a_model_that_exists_with_the_same_digest_is_done(world: ContractWorld) -> None:
    world.hosting.ensure_model(model(world))
    world.hosting.ensure_model(model(world))


def test_a_model_needs_its_data(world: ContractWorld) -> None:
    uri = f"s3://{world.bucket.name}/nothing/model.tar.gz"
    with pytest.raises(NotFoundError):
        world.hosting.ensure_model(ModelRequest(config(world), programs.IMAGE, uri, {}))


def test_a_model_name_that_holds_something_else_is_a_conflict(world: ContractWorld) -> None:
    world.hosting.ensure_model(model(world))
    with pytest.raises(ConflictError):
        world.hosting.ensure_model(model(world, "cd" * 32))


def test_a_configuration_that_exists_as_asked_is_done_and_another_is_a_conflict(world: ContractWorld) -> None:
    world.hosting.ensure_model(model(world))
    asked = ConfigRequest(config(world), model(world).name, "ml.m5.large", 1)
    for _ in range(2):
        world.hosting.ensure_config(asked)
    for other in (
        ConfigRequest(asked.name, asked.model, "ml.m5.large", 2),
        ConfigRequest(asked.name, asked.model, "ml.m5.xlarge", 1),
        ConfigRequest(asked.name, asked.model, "ml.m5.large", 1, variant="other"),
    ):
        with pytest.raises(ConflictError):
            world.hosting.ensure_config(other)


def test_a_configuration_needs_its_model(world: ContractWorld) -> None:
    with pytest.raises(NotFoundError):
        world.hosting.ensure_config(ConfigRequest(config(world), config(world), "ml.m5.large", 1))


def test_an_endpoint_that_never_was_is_none_and_answers_nobody(world: ContractWorld) -> None:
    name = world.names.endpoint("digits")
    assert world.hosting.endpoint(name) is None
    with pytest.raises(NotFoundError):
        ask(world, name)


def test_an_endpoint_is_created_once_and_then_in_service(world: ContractWorld) -> None:
    name = world.names.endpoint("digits")
    world.host(config(world))
    world.hosting.create_endpoint(name, config(world))
    assert seen(world, name)[0] in {"Creating", "InService"}
    with pytest.raises(AlreadyExistsError):
        world.hosting.create_endpoint(name, config(world))
    settled = existing(world.settled(name))
    assert (settled.status, settled.config, settled.reason) == ("InService", config(world), None)
    assert existing(settled.created_at) > 0


def test_an_endpoint_needs_its_configuration(world: ContractWorld) -> None:
    with pytest.raises(NotFoundError):
        world.hosting.create_endpoint(world.names.endpoint("digits"), config(world))
    assert world.hosting.endpoint(world.names.endpoint("digits")) is None


def test_an_answer_is_what_the_container_said_with_its_type_and_attributes(world: ContractWorld) -> None:
    name = up(world)
    said = ask(world, name)
    assert said.body == b'{"says": "one"}'
    assert said.content_type.split(";")[0] == "application/json"
    assert said.attributes == f"dropforge-run=run of {config(world)}"


def test_an_update_ends_in_service_with_the_new_configuration_and_its_answers(world: ContractWorld) -> None:
    name = up(world)
    world.host(config(world, 2), '{"says": "two"}')
    world.hosting.update_endpoint(name, config(world, 2))
    if seen(world, name)[0] == "Updating":
        assert ask(world, name).body in {b'{"says": "one"}', b'{"says": "two"}'}
    settled = existing(world.settled(name))
    assert (settled.status, settled.config) == ("InService", config(world, 2))
    assert ask(world, name).body == b'{"says": "two"}'


def test_an_update_that_fails_is_in_service_with_the_old_configuration_and_its_answers(world: ContractWorld) -> None:
    name = up(world)
    world.host(config(world, 2), behave="fails-creation")
    world.hosting.update_endpoint(name, config(world, 2))
    assert ask(world, name).body == b'{"says": "one"}'
    settled = existing(world.settled(name))
    assert (settled.status, settled.config) == ("InService", config(world))
    assert ask(world, name).body == b'{"says": "one"}'


def test_an_endpoint_that_is_busy_takes_no_other_change(world: ContractWorld) -> None:
    name = up(world)
    world.host(config(world, 2), behave="fails-creation")
    world.hosting.update_endpoint(name, config(world, 2))
    with pytest.raises(ConflictError):
        world.hosting.update_endpoint(name, config(world))
    with pytest.raises(ConflictError):
        world.hosting.delete_endpoint(name)
    assert existing(world.settled(name)).config == config(world)


def test_an_update_of_nothing_or_to_nothing_is_not_found(world: ContractWorld) -> None:
    world.host(config(world))
    with pytest.raises(NotFoundError):
        world.hosting.update_endpoint(world.names.endpoint("letters"), config(world))
    name = up(world)
    with pytest.raises(NotFoundError):
        world.hosting.update_endpoint(name, config(world, 9))
    assert seen(world, name) == ("InService", config(world))


def test_a_creation_that_fails_says_why_and_can_only_be_deleted(world: ContractWorld) -> None:
    name = world.names.endpoint("digits")
    world.host(config(world), behave="fails-creation")
    world.host(config(world, 2))
    world.hosting.create_endpoint(name, config(world))
    settled = existing(world.settled(name))
    assert settled.status == "Failed"
    assert settled.reason
    with pytest.raises(ConflictError):
        world.hosting.update_endpoint(name, config(world, 2))
    with pytest.raises(NotFoundError):
        ask(world, name)
    world.hosting.delete_endpoint(name)
    assert world.settled(name) is None


def test_a_deleted_endpoint_is_gone_and_may_be_deleted_again(world: ContractWorld) -> None:
    name = up(world)
    for _ in range(2):
        world.hosting.delete_endpoint(name)
    assert world.settled(name) is None
    world.hosting.delete_endpoint(name)
    with pytest.raises(NotFoundError):
        ask(world, name)


def test_what_was_deleted_can_be_made_again(world: ContractWorld) -> None:
    name = up(world)
    world.hosting.delete_endpoint(name)
    assert world.settled(name) is None
    world.hosting.create_endpoint(name, config(world))
    assert existing(world.settled(name)).status == "InService"


def test_models_and_configurations_are_deleted_once_and_then_again(world: ContractWorld) -> None:
    world.hosting.ensure_model(model(world))
    world.hosting.ensure_config(ConfigRequest(config(world), model(world).name, "ml.m5.large", 1))
    for _ in range(2):
        world.hosting.delete_config(config(world))
        world.hosting.delete_model(model(world).name)
    world.hosting.ensure_model(model(world, "cd" * 32))


def test_rehearsals_are_those_of_this_stage_oldest_first(world: ContractWorld) -> None:
    world.host(config(world))
    names = [world.names.rehearsal(pipeline, NONE) for pipeline in ("zebras", "digits")]
    for name in (f"other-{names[0]}", *names, world.names.endpoint("digits")):
        world.hosting.create_endpoint(name, config(world))
        world.clock.advance(1)
    found = world.hosting.rehearsals(limit=10)
    assert [endpoint.name for endpoint in found] == names
    assert all(endpoint.created_at for endpoint in found)
    assert [endpoint.name for endpoint in world.hosting.rehearsals(limit=1)] == names[:1]


def test_an_error_of_the_container_comes_with_its_status(world: ContractWorld) -> None:
    name = world.names.endpoint("digits")
    world.host(config(world), behave="errors")
    world.hosting.create_endpoint(name, config(world))
    world.settled(name)
    with pytest.raises(InvocationError) as raised:
        ask(world, name)
    assert raised.value.facts["container_status"] == 500


def test_a_container_that_does_not_answer_in_time_is_a_timeout(world: ContractWorld) -> None:
    name = world.names.endpoint("digits")
    world.host(config(world), behave="hangs")
    world.hosting.create_endpoint(name, config(world))
    world.settled(name)
    with pytest.raises(InvocationTimeoutError):
        ask(world, name, seconds=0.5)
