from __future__ import annotations

from pathlib import Path

import pytest

from dropforge.local import stack_reading
from dropforge.local.home import REGION
from dropforge.local.packaging import DeployError, stack_name, translated
from dropforge.local.stack import deploy
from dropforge.local.stack_reading import Deployed, Route
from tests.local.conftest import Stack
from tests.local.projects import make_project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("project") / "tiny", prefix="read")


@pytest.fixture(scope="module")
def template(project: Path) -> str:
    return translated(project, "dev", REGION)


@pytest.fixture(scope="module")
def deployed(stack: Stack, template: str) -> Deployed:
    deploy(stack.client, "read-dev", template)
    return stack_reading.read(stack.client, "read-dev")


def named(deployed: Deployed, logical: str) -> str:
    [name] = [each.name for each in deployed.functions if each.name.startswith(f"read-dev-{logical}-")]
    return name


def test_the_functions_are_as_the_template_says(deployed: Deployed) -> None:
    handlers = {function.handler: function for function in deployed.functions}
    assert set(handlers) == {"app.app", "app.on_uploads", "app.on_job_changed", "app.reconcile"}
    function = handlers["app.on_job_changed"]
    assert function.environment["TINY_BUCKET"] == "read-dev-bucket"
    assert (function.timeout, function.memory, function.retries) == (60, 128, 2)
    assert function.on_failure == f"arn:aws:sqs:{REGION}:000000000000:read-dev-dead"


def test_the_queue_s_mapping_is_as_the_template_says(deployed: Deployed) -> None:
    [mapping] = deployed.mappings
    assert mapping.function == named(deployed, "OnUploads")
    assert mapping.queue_url.endswith("/read-dev-uploads")
    assert (mapping.batch_size, mapping.window, mapping.partial, mapping.concurrency) == (100, 1, True, 2)


def test_the_schedule_is_read_with_its_target(deployed: Deployed) -> None:
    [schedule] = deployed.schedules
    assert schedule.expression == "rate(1 minute)"
    assert [arn.rpartition(":")[2] for arn, _ in schedule.targets] == [named(deployed, "Reconcile")]


def test_the_api_has_its_routes_and_who_may_call_them(deployed: Deployed) -> None:
    [api] = deployed.apis
    handler = named(deployed, "APIHandler")
    assert set(api.routes) == {
        Route("/v1/health", "GET", handler, signed=False, key_required=False),
        Route("/v1/things/{name}", "GET", handler, signed=True, key_required=False),
        Route("/v1/guarded", "POST", handler, signed=False, key_required=True),
    }
    assert api.stage == "api"
    assert {"image/png", "image/webp"} <= api.binary_types


def test_the_gateway_s_own_responses_are_those_of_the_template_alone(deployed: Deployed) -> None:
    [api] = deployed.apis
    assert set(api.responses) == {"MISSING_AUTHENTICATION_TOKEN"}
    response = api.responses["MISSING_AUTHENTICATION_TOKEN"]
    assert response.status == 404
    assert "$context.error.messageString" in response.templates["application/json"]
    assert response.headers == {"Content-Type": "'application/problem+json'"}


def test_the_api_key_is_the_one_that_the_stack_names(deployed: Deployed) -> None:
    assert deployed.api_key
    assert deployed.apis[0].keys == {deployed.api_key: deployed.outputs["ApiKeyId"]}


def test_deploying_the_same_again_does_nothing(stack: Stack, template: str, deployed: Deployed) -> None:
    assert deploy(stack.client, "read-dev", template) is False
    assert stack_reading.read(stack.client, "read-dev") == deployed


def test_a_changed_template_updates_the_stack_and_keeps_what_lies_in_it(stack: Stack, template: str) -> None:
    assert deploy(stack.client, "change-dev", template) is True
    stack.client("s3").put_object(Bucket="change-dev-bucket", Key="kept", Body=b"x")
    before = stack_reading.read(stack.client, "change-dev")
    assert deploy(stack.client, "change-dev", template.replace('"BatchSize": 100', '"BatchSize": 50')) is True
    after = stack_reading.read(stack.client, "change-dev")
    assert (before.mappings[0].batch_size, after.mappings[0].batch_size) == (100, 50)
    assert after.api_key == before.api_key
    assert stack.client("s3").get_object(Bucket="change-dev-bucket", Key="kept")["Body"].read() == b"x"


def test_a_first_deployment_that_was_cut_short_is_begun_afresh(stack: Stack, template: str) -> None:
    stack.client("cloudformation").create_change_set(
        StackName="cut-dev",
        ChangeSetName="never-executed",
        ChangeSetType="CREATE",
        TemplateBody=template,
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    assert deploy(stack.client, "cut-dev", template) is True
    assert stack_reading.read(stack.client, "cut-dev").functions


def test_a_template_that_cannot_be_deployed_is_told_with_the_resource(stack: Stack, template: str) -> None:
    with pytest.raises(DeployError, match="AWS::Strange::Thing"):
        deploy(stack.client, "bad-dev", template.replace("AWS::DynamoDB::Table", "AWS::Strange::Thing"))


def test_a_resource_that_fails_is_told_by_its_name(stack: Stack, template: str) -> None:
    with pytest.raises(DeployError, match="Uploads "):
        deploy(stack.client, "fails-dev", template.replace('"VisibilityTimeout": 60', '"VisibilityTimeout": 999999'))


def test_an_app_that_cannot_be_packaged_is_told_with_its_error(tmp_path: Path) -> None:
    project = make_project(tmp_path / "tiny", app="raise RuntimeError('no app')")
    with pytest.raises(DeployError, match="no app"):
        translated(project, "dev", REGION)


def test_a_stage_that_the_project_does_not_have_is_told_with_those_it_has(tmp_path: Path) -> None:
    project = make_project(tmp_path / "tiny")
    with pytest.raises(DeployError, match="no stage nowhere; it has dev"):
        stack_name(project, "nowhere")


def test_packaging_leaves_the_project_as_it_was(tmp_path: Path) -> None:
    project = make_project(tmp_path / "tiny")
    before = sorted(path.relative_to(project) for path in project.rglob("*"))
    translated(project, "dev", REGION)
    assert sorted(path.relative_to(project) for path in project.rglob("*")) == before
