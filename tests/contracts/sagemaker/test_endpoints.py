"""Endpoints: what serves while it changes, what an update that fails leaves, and what is refused."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.contracts.sagemaker.place import Place, refusal


@pytest.fixture(scope="module")
def served(place: Place) -> str:
    """An endpoint that says hello."""
    name = place.endpoint(place.config("hello"))
    assert place.settled(name)["EndpointStatus"] == "InService"
    return name


def test_an_endpoint_answers_and_says_which_variant_did(place: Place, served: str) -> None:
    answer = place.runtime.invoke_endpoint(
        EndpointName=served, Body=b"x", ContentType="text/plain", Accept="text/plain"
    )
    assert (answer["InvokedProductionVariant"], answer["Body"].read()) == ("main", b"hello")


def test_an_update_serves_the_old_one_until_the_new_one_can_and_is_told(place: Place) -> None:
    old, new = place.config("old"), place.config("new", "loads slowly")
    name = place.endpoint(old)
    place.settled(name)
    place.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=new)
    assert place.sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Updating"
    with pytest.raises(ClientError) as refused:
        place.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=old)
    assert refusal(refused.value)[0] == "ValidationException"
    assert "Cannot update in-progress endpoint" in refusal(refused.value)[1]
    said = {place.invoke(name)}
    done = place.settled(name)
    said.add(place.invoke(name))
    assert (done["EndpointStatus"], done["EndpointConfigName"]) == ("InService", new)
    assert said <= {"old", "new"}
    assert place.invoke(name) == "new"
    events = place.heard(name, lambda all_: sum(one["detail"]["EndpointStatus"] == "IN_SERVICE" for one in all_) > 1)
    assert {one["detail"]["EndpointStatus"] for one in events} <= {"CREATING", "IN_SERVICE", "UPDATING"}


def test_an_update_that_fails_leaves_the_old_configuration_in_service(place: Place) -> None:
    old, broken = place.config("old"), place.config("never", "breaks")
    name = place.endpoint(old)
    place.settled(name)
    place.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=broken)
    done = place.settled(name)
    assert (done["EndpointStatus"], done["EndpointConfigName"]) == ("InService", old)
    assert "did not pass the ping health check" in done["FailureReason"]
    assert place.invoke(name) == "old"


def test_an_endpoint_whose_model_never_answers_fails_and_can_only_be_deleted(place: Place) -> None:
    name = place.endpoint(place.config("never", "breaks"))
    failed = place.settled(name)
    assert failed["EndpointStatus"] == "Failed"
    with pytest.raises(ClientError) as refused:
        place.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=place.config("late"))
    assert refusal(refused.value)[0] == "ValidationException"
    place.sagemaker.delete_endpoint(EndpointName=name)


def test_what_the_model_refuses_is_the_models_error(place: Place, served: str) -> None:
    with pytest.raises(ClientError) as refused:
        place.invoke(served, "break")
    answer = refused.value.response
    assert answer["Error"]["Code"] == "ModelError"
    assert answer["OriginalStatusCode"] == 500
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 424


def test_nobody_answers_for_an_endpoint_that_is_not_there(place: Place) -> None:
    name = place.name("none")
    with pytest.raises(ClientError) as refused:
        place.invoke(name)
    code, told = refusal(refused.value)
    assert code == "ValidationError"
    assert f"Endpoint {name} of account" in told
    assert told.endswith("not found.")


def test_a_payload_of_more_than_25_megabytes_is_refused(place: Place, served: str) -> None:
    with pytest.raises(ClientError) as refused:
        place.invoke(served, "x" * (25 * 1024 * 1024 + 1))
    assert refusal(refused.value)[0] in {"ValidationError", "413"}


@pytest.mark.parametrize("what", ["model", "endpoint_config", "endpoint"])
def test_what_is_not_there_is_missed_by_its_arn(place: Place, what: str) -> None:
    name = place.name("none")
    member = {"model": "ModelName", "endpoint_config": "EndpointConfigName", "endpoint": "EndpointName"}[what]
    with pytest.raises(ClientError) as refused:
        getattr(place.sagemaker, f"describe_{what}")(**{member: name})
    code, told = refusal(refused.value)
    assert code == "ValidationException"
    assert told.startswith("Could not find ")
    assert name in told


def test_a_name_that_is_taken_is_refused(place: Place, served: str) -> None:
    config = place.config()
    for create, arguments in (
        (place.sagemaker.create_endpoint, {"EndpointName": served, "EndpointConfigName": config}),
        (
            place.sagemaker.create_model,
            {"ModelName": config, "ExecutionRoleArn": place.role, "PrimaryContainer": {"Image": place.image}},
        ),
    ):
        with pytest.raises(ClientError) as refused:
            create(**arguments)
        code, told = refusal(refused.value)
        assert code == "ValidationException"
        assert told.startswith("Cannot create already existing ")
