from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dropforge.local.sagemaker.errors import SageMakerError
from tests.local.held import let_load
from tests.local.sagemaker.world import IMAGE, LIMITS, ROLE, World, until


@pytest.fixture(scope="module")
def echo(world: World) -> str:
    """An endpoint that answers with what it was given."""
    return world.deploy("serves.py")


@pytest.fixture
def hasty(tmp_path: Path, neighbours: int) -> Iterator[World]:
    """One that gives a server little time to come up."""
    made = World(tmp_path, neighbours, limits=replace(LIMITS, least_startup=4))
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def _no_servers_left_behind(world: World, echo: str) -> Iterator[None]:
    yield
    for name in _names(world) - {echo}:
        with suppress(ClientError):  # one that was on its way out is gone by now
            world.settled(name)
            world.sagemaker.delete_endpoint(EndpointName=name)


def _model_error(world: World, endpoint: str, body: bytes) -> dict[str, Any]:
    with pytest.raises(world.runtime.exceptions.ModelError) as info:
        world.invoke(endpoint, body)
    response: dict[str, Any] = info.value.response
    return response


def test_an_endpoint_goes_from_creating_to_in_service_and_its_events_spell_it_in_capitals(
    world: World, echo: str
) -> None:
    seen = world.endpoint(echo)
    assert seen["EndpointStatus"] == "InService"
    assert seen["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    told = world.told(echo, 2)
    assert [event["EndpointStatus"] for event in told] == ["CREATING", "IN_SERVICE"]
    assert told[0]["EndpointArn"] == seen["EndpointArn"]
    assert told[0]["CreationTime"] == pytest.approx(seen["CreationTime"].timestamp() * 1000, abs=2)


def test_body_and_headers_reach_the_container_and_its_answer_comes_back_with_its_own(world: World, echo: str) -> None:
    answer = world.runtime.invoke_endpoint(
        EndpointName=echo, Body=b"\x00" * 100_000, ContentType="image/png", Accept="application/x-mine"
    )
    said = json.loads(answer["Body"].read())
    assert (said["length"], said["type"], said["accept"]) == (100_000, "image/png", "application/x-mine")
    assert said["model"] == "forty-two"
    assert answer["ContentType"].startswith("application/json")
    assert answer["CustomAttributes"] == "answered-by=forty-two"
    assert answer["InvokedProductionVariant"] == "main"


def test_a_script_that_brings_only_its_model_is_served_by_the_functions_of_the_image(world: World) -> None:
    name = world.deploy("serves_by_default.py")
    assert json.loads(world.invoke(name, b"[1, 2.5]", ContentType="application/json")) == [2, 5]
    assert world.invoke(name, b"1,2", ContentType="text/csv", Accept="text/csv").split() == ["2.0", "4.0"]
    error = _model_error(world, name, b"not json")
    assert error["OriginalStatusCode"] == 400


def test_code_inside_the_model_archive_serves_too(world: World) -> None:
    code = (
        "def model_fn(d): return 1\ndef transform_fn(m, body, kind, accept): return 'from the archive', 'text/plain'\n"
    )
    config = world.config(
        "serves.py",
        model={"code/inference.py": code},
        SAGEMAKER_PROGRAM="inference.py",
        SAGEMAKER_SUBMIT_DIRECTORY="/opt/ml/model/code",
    )
    world.sagemaker.create_endpoint(EndpointName=f"e-{config}", EndpointConfigName=config)
    assert world.settled(f"e-{config}")["EndpointStatus"] == "InService"
    assert world.invoke(f"e-{config}") == "from the archive"


def test_each_instance_is_a_server_of_its_own_and_they_take_turns(world: World) -> None:
    name = world.deploy("serves.py", count=2)
    servers = {json.loads(world.invoke(name))["server"] for _ in range(8)}
    assert len(servers) == 2


def test_an_error_of_the_container_is_told_with_its_status_and_words(world: World) -> None:
    name = world.deploy("answers_500.py")
    response = _model_error(world, name, b"hello")
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert response["OriginalStatusCode"] == 500
    assert response["OriginalMessage"] == "Internal Server Error"
    assert response["Error"]["Message"].startswith("Received server error (500) from primary with message")
    group = f"/aws/sagemaker/Endpoints/{name}"
    until(lambda: "the model has forgotten everything" in str(_lines(world, group)))


def _lines(world: World, group: str) -> list[str]:
    try:
        streams = world.logs.describe_log_streams(logGroupName=group)["logStreams"]
    except world.logs.exceptions.ResourceNotFoundException:
        return []
    pages = [world.logs.get_log_events(logGroupName=group, logStreamName=one["logStreamName"]) for one in streams]
    return [event["message"] for page in pages for event in page["events"]]


def test_an_answer_that_takes_too_long_is_a_model_error_and_the_next_request_is_served(impatient: World) -> None:
    name = impatient.deploy("serves_slowly.py")
    response = _model_error(impatient, name, b"30")
    assert response["OriginalStatusCode"] == 0
    assert "timed out" in response["Error"]["Message"]
    assert impatient.invoke(name, b"0") == "awake"


def test_a_server_that_dies_fails_its_request_and_is_started_again(world: World) -> None:
    name = world.deploy("crashes_when_asked.py")
    assert world.invoke(name)
    assert _model_error(world, name, b"crash")["OriginalStatusCode"] == 0

    def answered() -> str | None:
        try:
            return world.invoke(name)
        except (world.runtime.exceptions.ServiceUnavailable, world.runtime.exceptions.ModelError):
            return None

    assert until(answered)
    assert world.endpoint(name)["EndpointStatus"] == "InService"


@pytest.mark.parametrize("program", ["cannot_load.py", "never_pings.py"])
def test_a_model_that_never_answers_its_ping_fails_the_endpoint_and_says_where_to_look(
    hasty: World, program: str
) -> None:
    world, name = hasty, hasty.deploy(program)
    seen = world.endpoint(name)
    assert seen["EndpointStatus"] == "Failed"
    assert "did not pass the ping health check" in seen["FailureReason"]
    until(lambda: world.last_told(name)["EndpointStatus"] == "FAILED")
    with pytest.raises(ClientError, match="not found"):
        world.invoke(name)
    with pytest.raises(ClientError, match="Cannot update failed endpoint"):
        world.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=seen["EndpointConfigName"])
    world.sagemaker.delete_endpoint(EndpointName=name)
    until(lambda: name not in _names(world))


def _names(world: World) -> set[str]:
    return {one["EndpointName"] for one in world.sagemaker.list_endpoints(MaxResults=100)["Endpoints"]}


def test_a_failed_update_leaves_the_old_configuration_in_service(world: World) -> None:
    name = world.deploy("serves.py")
    before = world.endpoint(name)["EndpointConfigName"]
    wanted = world.config("loads_when_told.py", BREAKS="yes")
    world.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=wanted)
    pending = world.endpoint(name)
    assert pending["EndpointStatus"] == "Updating"
    assert pending["EndpointConfigName"] == before
    assert pending["PendingDeploymentSummary"]["EndpointConfigName"] == wanted
    assert json.loads(world.invoke(name))["model"] == "forty-two"
    seen = world.let_load(name)
    assert (seen["EndpointStatus"], seen["EndpointConfigName"]) == ("InService", before)
    assert "did not pass the ping health check" in seen["FailureReason"]
    assert json.loads(world.invoke(name))["model"] == "forty-two"


def test_an_endpoint_that_is_busy_is_neither_updated_nor_deleted(world: World) -> None:
    name = world.deploy("serves.py")
    config = world.config("loads_when_told.py")
    world.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint") as refused:
        world.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        world.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName="not-there")
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        world.sagemaker.delete_endpoint(EndpointName=name)
    assert world.let_load(name)["EndpointConfigName"] == config


def test_an_update_under_load_fails_no_request_and_each_is_answered_by_the_old_or_the_new_model(world: World) -> None:
    config = world.config("serves.py", model={"answer.txt": "old"})
    world.sagemaker.create_endpoint(EndpointName=f"e-{config}", EndpointConfigName=config)
    name, after = f"e-{config}", world.config("serves.py", model={"answer.txt": "new"})
    assert world.settled(name)["EndpointStatus"] == "InService"
    done: list[bool] = []

    def ask_on() -> list[str]:
        said: list[str] = []
        while not done or len(said) < 20:
            said.append(json.loads(world.invoke(name))["model"])
        return [*said, json.loads(world.invoke(name))["model"]]  # the one before may have been under way at the change

    with ThreadPoolExecutor(8) as clients:
        asked = [clients.submit(ask_on) for _ in range(8)]
        world.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=after)
        assert world.settled(name)["EndpointConfigName"] == after
        done.append(True)
        answers = [future.result() for future in asked]
    for said in answers:
        assert said == ["old"] * said.count("old") + ["new"] * said.count("new")  # never back again
    assert sum(map(len, answers)) >= 160
    assert all(said[-1] == "new" for said in answers)


def test_a_request_under_way_finishes_on_the_old_server_during_an_update(world: World) -> None:
    name = world.deploy("serves_when_told.py")
    after = world.config("serves.py")
    with ThreadPoolExecutor(1) as clients:
        slow = clients.submit(world.invoke, name)
        until(lambda: world.busy(name) == 1)
        world.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=after)
        assert world.settled(name)["EndpointConfigName"] == after
        assert json.loads(world.invoke(name))["model"] == "forty-two"
        assert not slow.done()
        let_load(world.home, name)
        assert slow.result() == "awake"


def test_endpoints_serve_again_after_the_cloud_was_stopped_even_when_their_configuration_is_gone(world: World) -> None:
    name = world.deploy("serves.py")
    config = world.endpoint(name)["EndpointConfigName"]
    world.sagemaker.delete_endpoint_config(EndpointConfigName=config)
    world.sagemaker.delete_model(ModelName=config)
    world.stop()
    world.start()
    assert json.loads(world.invoke(name))["model"] == "forty-two"
    assert world.endpoint(name)["EndpointStatus"] == "InService"


def test_what_is_in_use_is_deleted_as_on_aws_and_nothing_is_updated_to_what_is_gone(world: World) -> None:
    name = world.deploy("serves.py")
    used, other = world.endpoint(name)["EndpointConfigName"], world.config("serves.py")
    world.sagemaker.delete_model(ModelName=other)
    world.sagemaker.delete_endpoint_config(EndpointConfigName=used)
    with pytest.raises(ClientError, match="Could not find endpoint configuration"):
        world.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=used)
    with pytest.raises(ClientError, match="Could not find model"):
        world.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=other)
    assert world.endpoint(name)["EndpointStatus"] == "InService"
    assert json.loads(world.invoke(name))["model"] == "forty-two"
    world.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=name, DesiredWeightsAndCapacities=[{"VariantName": "main", "DesiredInstanceCount": 2}]
    )
    assert world.settled(name)["ProductionVariants"][0]["CurrentInstanceCount"] == 2


def test_an_endpoint_whose_making_was_cut_short_is_made_when_the_cloud_starts_again(world: World) -> None:
    name = f"cut-{world.config('serves.py')}"
    world.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name.removeprefix("cut-"))
    world.stop()
    world.start()
    assert world.settled(name)["EndpointStatus"] == "InService"


def test_a_deleted_endpoint_is_gone_with_its_servers(world: World) -> None:
    name = world.deploy("serves.py")
    world.sagemaker.delete_endpoint(EndpointName=name)
    until(lambda: name not in _names(world))
    with pytest.raises(ClientError, match="Could not find endpoint"):
        world.endpoint(name)
    with pytest.raises(ClientError, match="not found") as refused:
        world.invoke(name)
    assert refused.value.response["Error"]["Code"] == "ValidationError"
    assert name not in world.cloud.status()["endpoints"]
    assert not [path for path in (world.home / "sagemaker" / "endpoints").iterdir() if name in path.name]


def test_an_endpoint_that_is_deleted_twice_takes_no_later_one_of_its_name_along(world: World) -> None:
    name = world.deploy("serves_slowly.py")
    config = world.endpoint(name)["EndpointConfigName"]
    with ThreadPoolExecutor(1) as clients:
        slow = clients.submit(world.invoke, name, b"1.2")
        until(lambda: world.cloud.status()["endpoints"][name]["busy"])
        for _ in range(2):
            world.sagemaker.delete_endpoint(EndpointName=name)
        until(lambda: name not in _names(world))
        world.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        assert slow.result() == "awake"
    until(lambda: not world.cloud._rollout._threads)  # noqa: SLF001 - when all that was begun has been done
    assert world.endpoint(name)["EndpointStatus"] == "InService"


def test_names_that_differ_by_their_case_alone_are_the_same_name(world: World) -> None:
    name = world.config("serves.py")
    with pytest.raises(ClientError, match="Cannot create already existing model"):
        world.sagemaker.create_model(ModelName=name.upper(), ExecutionRoleArn=ROLE, PrimaryContainer={"Image": IMAGE})
    assert world.sagemaker.describe_model(ModelName=name.upper())["ModelName"] == name
    world.sagemaker.delete_model(ModelName=name.upper())
    with pytest.raises(ClientError, match="Could not find model"):
        world.sagemaker.describe_model(ModelName=name)


def test_an_endpoint_is_found_in_any_case_and_invoked_in_its_own(world: World) -> None:
    config = world.config("serves.py")
    name = f"endpoint-{config}"
    world.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config.upper())
    assert world.settled(name.upper())["EndpointConfigName"] == config
    with pytest.raises(ClientError, match=f"Endpoint {name.upper()} of account"):
        world.invoke(name.upper())
    resource = f"endpoint/{name.upper()}/variant/main"
    with pytest.raises(SageMakerError, match="No scalable resources found"):
        world.cloud.scaling.operations["RegisterScalableTarget"](
            {"ServiceNamespace": "sagemaker", "ResourceId": resource, "MinCapacity": 1, "MaxCapacity": 1}
        )
    world.sagemaker.update_endpoint(EndpointName=name.upper(), EndpointConfigName=config)
    assert world.settled(name)["EndpointStatus"] == "InService"
    assert world.invoke(name)
    world.sagemaker.delete_endpoint(EndpointName=name.upper())
    until(lambda: name not in _names(world))
    assert name not in world.cloud.status()["endpoints"]


def test_a_job_is_stopped_by_its_name_in_any_case(world: World) -> None:
    name = world.begin("reports_progress.py", StoppingCondition={"MaxRuntimeInSeconds": 3600})
    until(lambda: world.log(name))
    with pytest.raises(world.sagemaker.exceptions.ResourceInUse):
        world.sagemaker.create_training_job(**world.job_request("raises.py", TrainingJobName=name.upper()))
    world.sagemaker.stop_training_job(TrainingJobName=name.upper())
    assert world.ended(name.upper())["TrainingJobStatus"] == "Stopped"


def _archive(**what: Any) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("answer.txt")
        for name, value in what.items():
            setattr(member, name, value)
        archive.addfile(member)
    return packed.getvalue()


_LINK = _archive(type=tarfile.SYMTYPE, linkname="/etc/passwd")
_NUL = _archive(pax_headers={"path": "answer\0.txt"})
_DAMAGED = _LINK[:12] + b"\xff" * 8 + _LINK[20:]


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        pytest.param(_LINK, "is neither a file nor a folder", id="link"),
        pytest.param(_NUL, "the archive cannot be read", id="NUL"),
        pytest.param(_DAMAGED, "the archive cannot be read", id="damaged"),
    ],
)
def test_a_model_archive_that_is_hostile_or_damaged_is_never_served(world: World, archive: bytes, words: str) -> None:
    config = world.config("serves.py", model={"answer.txt": "x"})
    uri = world.sagemaker.describe_model(ModelName=config)["PrimaryContainer"]["ModelDataUrl"]
    world.put(uri.removeprefix(f"s3://{world.bucket}/"), archive)
    world.sagemaker.create_endpoint(EndpointName=f"e-{config}", EndpointConfigName=config)
    seen = world.settled(f"e-{config}")
    assert seen["EndpointStatus"] == "Failed"
    assert words in seen["FailureReason"]
