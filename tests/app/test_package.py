"""What `chalice package` and infra/ make together: the template that AWS and the local cloud get, and the zip."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from chalicelib import gauges, lines
from chalicelib.errors import BadSettingError
from chalicelib.predict.limits import BODY_LIMIT
from chalicelib.settings import check_before_deployment
from chalicelib.wiring import Flows
from dropforge.local import packaging
from tests.fakes.world import SETTINGS, World

ROOT = Path(__file__).parents[2]
STAGES = ("dev", "prod")
Template = dict[str, Any]


@pytest.fixture(scope="module")
def packager() -> Any:
    """Load `infra/package.py`, which lies in no package."""
    spec = importlib.util.spec_from_file_location("package", ROOT / "infra" / "package.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def packages(packager: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Package both stages, without the requirements; the path of each stage's template."""
    out = tmp_path_factory.mktemp("packages")
    with pytest.MonkeyPatch.context() as shell:
        shell.setenv("DROPFORGE_BUS", "no bus: what a shell sets has no part in a package")
        return {stage: packager.package(stage, out / stage, region="us-east-1", requirements=False) for stage in STAGES}


@pytest.fixture(params=STAGES)
def template(request: pytest.FixtureRequest, packages: dict[str, Path]) -> Template:
    read: Template = json.loads(packages[request.param].read_text())
    return read


def test_the_local_cloud_deploys_the_template_that_aws_gets(packages: dict[str, Path]) -> None:
    local = yaml.safe_load(packaging.package(ROOT, "dev", "us-east-1"))
    aws = json.loads(packages["dev"].read_text())
    for function in aws["Resources"].values():
        if function["Type"] == "AWS::Serverless::Function":
            function["Properties"]["CodeUri"] = packaging.CODE
    assert local == aws


def test_a_bad_setting_of_a_stage_is_told_in_its_own_sentence_for_aws_too(packager: Any, tmp_path: Path) -> None:
    for name in ("app.py", "chalicelib", "infra", "requirements.txt"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / ".chalice", tmp_path / ".chalice")
    config = tmp_path / ".chalice" / "config.json"
    config.write_text(config.read_text().replace('"ml.m5.large,', '"m5.large,'))
    wrong = r"^stage dev is set up wrongly: DROPFORGE_INSTANCE_TYPES is 'm5\.large'; .*$"
    with pytest.raises(packager.PackageError, match=wrong):
        packager.package("dev", tmp_path / "out", region="us-east-1", requirements=False, project=tmp_path)


def resources(template: Template, kind: str) -> dict[str, Template]:
    return {name: it["Properties"] for name, it in template["Resources"].items() if it["Type"] == kind}


def statements(template: Template) -> Iterator[tuple[str, Template]]:
    for name, role in resources(template, "AWS::IAM::Role").items():
        for policy in role["Policies"]:
            yield from ((name, statement) for statement in policy["PolicyDocument"]["Statement"])


def actions(statement: Template) -> list[str]:
    named = statement["Action"]
    return [named] if isinstance(named, str) else named


def test_the_template_is_what_cloudformation_takes(packages: dict[str, Path]) -> None:
    ran = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), packages["dev"]],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stderr


def test_every_trigger_of_the_house_is_in_it(template: Template) -> None:
    functions = resources(template, "AWS::Serverless::Function")
    assert set(functions) == {
        "APIHandler", "OnEndpointChanged", "OnJobChanged", "OnNews", "OnPackageChanged", "OnRunRequested", "OnUploads",
        "OnWake", "Predict", "Reconcile",
    }  # fmt: skip
    (tick,) = functions["Reconcile"]["Events"].values()
    assert tick["Properties"]["Schedule"] == "rate(1 minute)"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_hears_of_its_own_jobs_and_endpoints_alone(packages: dict[str, Path], stage: str) -> None:
    template = json.loads(packages[stage].read_text())
    functions = resources(template, "AWS::Serverless::Function")
    for function, field in (
        ("OnJobChanged", "TrainingJobName"),
        ("OnEndpointChanged", "EndpointName"),
        ("OnPackageChanged", "ModelPackageGroupName"),
    ):
        (event,) = functions[function]["Events"].values()
        assert event["Properties"]["Pattern"]["detail"] == {field: [{"prefix": f"dropforge-{stage}-"}]}


def test_uploads_come_through_a_queue_in_batches(template: Template) -> None:
    (event,) = resources(template, "AWS::Serverless::Function")["OnUploads"]["Events"].values()
    assert event["Properties"] == {
        "Queue": {"Fn::Sub": "${UploadsQueue.Arn}"},
        "BatchSize": 100,
        "MaximumBatchingWindowInSeconds": 1,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": 2},
    }
    pattern = resources(template, "AWS::Events::Rule")["UploadsRule"]["EventPattern"]
    assert pattern["detail"]["object"]["key"] == [{"prefix": "datasets/"}, {"prefix": "pipelines/"}]


@pytest.mark.parametrize(
    ("queue", "function"), [("UploadsQueue", "OnUploads"), ("WakeQueue", "OnWake"), ("NewsQueue", "OnNews")]
)
def test_a_message_stays_hidden_for_as_long_as_its_function_may_run(
    template: Template, queue: str, function: str
) -> None:
    hidden = resources(template, "AWS::SQS::Queue")[queue]["VisibilityTimeout"]
    assert hidden > resources(template, "AWS::Serverless::Function")[function]["Timeout"]


def test_what_cannot_be_handled_lies_in_a_dead_letter_queue_with_an_alarm(template: Template) -> None:
    queues = resources(template, "AWS::SQS::Queue")
    watched = {alarm["Dimensions"][0]["Value"]["Fn::GetAtt"][0] for alarm in _alarms(template, "AWS/SQS")}
    assert {name for name in queues if name.endswith("DeadLetters")} == watched
    for queue in ("UploadsQueue", "WakeQueue", "NewsQueue"):
        assert queues[queue]["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0] in watched
    functions = resources(template, "AWS::Serverless::Function")
    for function in ("OnJobChanged", "OnEndpointChanged", "OnPackageChanged", "OnRunRequested", "Reconcile"):
        failed = functions[function]["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]
        assert failed == {"Type": "SQS", "Destination": {"Fn::GetAtt": ["EventsDeadLetters", "Arn"]}}


def test_failed_steps_raise_an_alarm_under_the_name_and_dimensions_that_they_are_counted_by(
    template: Template, capsys: pytest.CaptureFixture[str]
) -> None:
    (alarm,) = _alarms(template, gauges.NAMESPACE)
    lines.tell_failed(Flows(World()), "wake", RuntimeError("nobody foresaw it"))
    (told,) = (json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith('{"_aws"'))
    (counted,) = told["_aws"]["CloudWatchMetrics"]
    assert (alarm["Namespace"], alarm["MetricName"]) == (counted["Namespace"], counted["Metrics"][0]["Name"])
    assert [each["Name"] for each in alarm["Dimensions"]] in counted["Dimensions"]
    (stage,) = (each["Value"] for each in alarm["Dimensions"])
    assert stage == {"Fn::Select": [1, {"Fn::Split": ["-", {"Ref": "AWS::StackName"}]}]}
    assert SETTINGS.names.deployment.split("-")[1] == told["stage"]


@pytest.mark.parametrize("stage", STAGES)
def test_news_of_this_stage_goes_through_a_queue_to_those_who_asked_for_it(
    packages: dict[str, Path], stage: str
) -> None:
    template = json.loads(packages[stage].read_text())
    rule = resources(template, "AWS::Events::Rule")["NewsRule"]
    assert rule["EventPattern"]["source"] == ["dropforge"]
    assert rule["EventPattern"]["detail"] == {"deployment": [{"Ref": "AWS::StackName"}]}
    (event,) = resources(template, "AWS::Serverless::Function")["OnNews"]["Events"].values()
    assert event["Properties"]["Queue"] == {"Fn::Sub": "${NewsQueue.Arn}"}
    assert event["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_whoever_passes_news_on_may_do_nothing_else(template: Template) -> None:
    own = [statement for role, statement in statements(template) if role == "OnNewsRole"]
    mine = {action: statement["Resource"]["Fn::Sub"] for statement in own for action in actions(statement)}
    beyond = {action: where for action, where in mine.items() if not action.startswith(("logs:", "sqs:"))}
    assert set(beyond) == {"sns:Publish", "ssm:GetParameter"}
    assert beyond["sns:Publish"].endswith(":${AWS::StackName}-*")
    assert beyond["ssm:GetParameter"].endswith(":parameter/${AWS::StackName}/*")


def _alarms(template: Template, namespace: str) -> list[Template]:
    return [it for it in resources(template, "AWS::CloudWatch::Alarm").values() if it["Namespace"] == namespace]


def test_predictions_go_straight_to_a_function_of_their_own(template: Template) -> None:
    predict = resources(template, "AWS::Serverless::Function")["Predict"]
    assert predict["Handler"] == "chalicelib.predict.handler.handle"
    paths = template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["paths"]
    route = paths["/v1/models/{model}/predict"]["post"]
    assert "${Predict.Arn}" in route["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
    assert route["security"] == [{"api_key": []}]
    others = [uri for path, methods in paths.items() if "predict" not in path for uri in _uris(methods)]
    assert others
    assert all("${APIHandler.Arn}" in uri for uri in others)
    permission = resources(template, "AWS::Lambda::Permission")["PredictInvokePermission"]
    assert permission["FunctionName"] == {"Ref": "Predict"}


def _uris(methods: Template) -> list[str]:
    return [method["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"] for method in methods.values()]


def test_the_gateways_own_errors_have_our_shape(template: Template) -> None:
    body = template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    answers = body["x-amazon-apigateway-gateway-responses"]
    for kind, answer in answers.items():
        problem = json.loads(answer["responseTemplates"]["application/json"])
        assert set(problem) | {"status"} == {"type", "title", "status", "detail", "code", "request_id", "retryable"}
        assert str(problem.get("status")) == answer.get("statusCode", "None"), kind
        assert answer["responseParameters"]["gatewayresponse.header.Content-Type"] == "'application/problem+json'"
    assert answers["MISSING_AUTHENTICATION_TOKEN"]["statusCode"] == "404"
    assert answers["INVALID_API_KEY"]["statusCode"] == "403"
    assert str(BODY_LIMIT) in answers["REQUEST_TOO_LARGE"]["responseTemplates"]["application/json"]


def test_no_role_may_do_everything_and_few_things_know_no_resource(template: Template) -> None:
    unbounded: set[str] = set()
    for _, statement in statements(template):
        assert not [action for action in actions(statement) if "*" in action]
        if statement["Resource"] == "*":
            unbounded |= set(actions(statement))
    assert unbounded == {
        "cloudwatch:PutMetricData",
        "ecr:GetAuthorizationToken",
        "sagemaker:ListEndpoints",
        "sagemaker:ListModelPackages",
    }


def test_only_the_job_role_is_passed_and_only_to_sagemaker(template: Template) -> None:
    passing = [statement for _, statement in statements(template) if "iam:PassRole" in actions(statement)]
    assert passing
    for statement in passing:
        assert statement["Resource"] == {"Fn::Sub": "${JobRole.Arn}"}
        assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}


def test_predict_may_read_what_is_live_and_ask_this_stages_endpoints(template: Template) -> None:
    own = [statement for role, statement in statements(template) if role == "PredictRole"]
    mine = {action: statement for statement in own for action in actions(statement)}
    beyond_its_log = {action for action in mine if not action.startswith("logs:")}
    assert beyond_its_log == {"dynamodb:GetItem", "sagemaker:InvokeEndpoint"}
    assert mine["dynamodb:GetItem"]["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["serving#*"]}}
    assert mine["sagemaker:InvokeEndpoint"]["Resource"]["Fn::Sub"].endswith(":endpoint/${AWS::StackName}-*")


def test_a_function_may_call_what_it_reaches_and_nothing_else(template: Template) -> None:
    """The local cloud checks no permissions, so a missing one would show on AWS alone, and one in excess never."""
    roles = {role for role, _ in statements(template)}
    assert roles == {*_REACHED, "JobRole", "PredictRole"}
    for role, rooms in _REACHED.items():
        allowed = {action for name, it in statements(template) if name == role for action in actions(it)}
        assert allowed == {*_HOUSE[role], *(call for room in rooms for call in _calls(room))}, role


def test_the_table_of_rooms_knows_every_call_of_every_adapter() -> None:
    adapters = {path.stem for path in AWS.glob("*.py") if _calls_in(path.read_text())}
    assert adapters == {file for port in _PORTS for file in _FILES.get(port, (port,))}
    every = {call for port in _PORTS for call in _calls(port)}
    assert every == {call for rooms in _REACHED.values() for room in rooms for call in _calls(room)}
    assert {"sagemaker:CreateTrainingJob", "sagemaker:InvokeEndpoint", "dynamodb:Query", "sns:Publish"} <= every


@pytest.mark.parametrize("role", ["ApiHandlerRole", "OnJobChangedRole", "OnPackageChangedRole", "OnRunRequestedRole"])
def test_a_release_is_nothing_that_one_who_only_proposes_may_touch(template: Template, role: str) -> None:
    allowed = {action for name, it in statements(template) if name == role for action in actions(it)}
    touched = re.compile(r"sagemaker:((Create|Update|Delete)(Model|Endpoint|EndpointConfig)|InvokeEndpoint)")
    assert [action for action in allowed if touched.fullmatch(action)] == []


AWS = ROOT / "chalicelib" / "aws"
_PORTS = ("bucket", "bus", "hosting", "jobs", "mail", "records", "registry", "timer")
_FILES = {"records": ("records", "eventlog")}
_STATES = ("records", "bucket", "timer", "bus")
_RUNS = (*_STATES, "jobs", "registry.register", "registry.find", "registry.describe", "registry.decide")
_RELEASES = (
    "hosting.ensure_model", "hosting.ensure_config", "hosting.endpoint", "hosting.create_endpoint",
    "hosting.update_endpoint", "hosting.delete_endpoint", "hosting.delete_config", "hosting.delete_model",
    "hosting.invoke",
)  # fmt: skip
_REACHED = {
    "ApiHandlerRole": (*_RUNS, "registry.run_of", "hosting.endpoint", "hosting.rehearsals"),  # a simulation looks
    "OnUploadsRole": _STATES,
    "OnWakeRole": (*_RUNS, *_RELEASES),
    "OnNewsRole": ("mail",),
    "OnJobChangedRole": _RUNS,
    "OnEndpointChangedRole": ("records", "bucket.read", "bucket.write", "timer", "bus", *_RELEASES),
    "OnPackageChangedRole": _RUNS,
    "OnRunRequestedRole": _RUNS,
    "ReconcileRole": (*_RUNS, *_RELEASES, "hosting.rehearsals"),
}
"""The ports that each function reaches, or single methods of one. A run proposes by records and a wake-up alone."""

_LOG = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")
_QUEUE = (
    *_LOG, "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"
)  # fmt: skip
_DEAD_LETTERS = (*_LOG, "sqs:SendMessage")
_HOUSE = dict.fromkeys(_REACHED, _DEAD_LETTERS) | {
    "ApiHandlerRole": _LOG,
    "OnUploadsRole": _QUEUE,
    "OnWakeRole": _QUEUE,
    "OnNewsRole": _QUEUE,
}
"""What Lambda itself does under a function's role."""


_MACHINES = (
    "ApiHandlerRole",
    "OnWakeRole",
    "OnJobChangedRole",
    "OnPackageChangedRole",
    "OnRunRequestedRole",
    "ReconcileRole",
)
"""Who seals datasets and trains on them."""


def test_data_of_others_is_read_only_where_a_parameter_names_it(template: Template) -> None:
    assert template["Conditions"]["HasSources"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "Sources"}, ""]}]}
    assert template["Parameters"]["Sources"]["Default"] == ""
    objects = template["Parameters"]["SourceObjects"]
    for arn, taken in (
        (objects["Default"], True),
        ("arn:aws:s3:::lake/*", True),
        ("arn:aws:s3:::lake/digits/*", True),
        ("arn:aws:s3:::lake/digits*", False),
        ("arn:aws:s3:::lake*/*", False),
    ):
        assert bool(re.fullmatch(objects["AllowedPattern"], arn)) is taken, arn
    policy = template["Resources"]["SourcesPolicy"]
    assert policy["Condition"] == "HasSources"
    may = {it["Action"]: it["Resource"] for it in policy["Properties"]["PolicyDocument"]["Statement"]}
    assert may == {"s3:ListBucket": {"Ref": "SourceBuckets"}, "s3:GetObject": {"Ref": "SourceObjects"}}
    assert [role["Ref"] for role in policy["Properties"]["Roles"]] == [*_MACHINES, "JobRole"]


def test_a_stack_takes_the_sources_that_its_functions_take(template: Template) -> None:
    for sources, taken in (
        ("", True),
        (" ", True),
        ("lake", True),
        ("data-lake/digits/,other.bucket", True),
        (" data-lake/digits/ , other-bucket ,", True),
        (",,lake/a b//c", True),
        ("lake/", True),
        ("a" * 63, True),
        ("a" * 64, False),
        ("la", False),
        ("Lake", False),
        ("lake-", False),
        ("la ke", False),
        ("s3://lake/", False),
        ("/lake", False),
        ("lake,Other", False),
    ):
        assert bool(re.fullmatch(template["Parameters"]["Sources"]["AllowedPattern"], sources)) is taken, sources
        assert _is_setting("DROPFORGE_SOURCES", sources) is taken, sources


def _is_setting(variable: str, value: str) -> bool:
    told = {"DROPFORGE_PREFIX": "dropforge", "DROPFORGE_STAGE": "dev", "DROPFORGE_INSTANCE_TYPES": "ml.m5.large"}
    try:
        check_before_deployment({**told, variable: value})
    except BadSettingError:
        return False
    return True


@pytest.mark.parametrize("stage", STAGES)
def test_a_run_is_requested_of_this_stage_by_anybody_but_aws(packages: dict[str, Path], stage: str) -> None:
    functions = resources(json.loads(packages[stage].read_text()), "AWS::Serverless::Function")
    (event,) = functions["OnRunRequested"]["Events"].values()
    assert event["Properties"]["Pattern"] == {
        "source": [{"anything-but": {"prefix": "aws."}}],
        "detail-type": ["Dropforge Run Requested"],
        "detail": {"deployment": [f"dropforge-{stage}"]},
    }


def _calls(room: str) -> set[str]:
    """Name the permissions that a port takes, or one method of it."""
    port, _, method = room.partition(".")
    sources = [(AWS / f"{file}.py").read_text() for file in _FILES.get(port, (port,))]
    return _calls_in("".join(sources) if not method else _reached_from(method, *sources))


def _reached_from(method: str, source: str) -> str:
    """Give the source of a method, and of all in its file that it calls."""
    defined = (it for it in ast.walk(ast.parse(source)) if isinstance(it, ast.FunctionDef))
    bodies = {it.name: ast.get_source_segment(source, it) or "" for it in defined}
    reached, waiting = dict[str, str](), [method]
    while waiting:
        name = waiting.pop()
        reached[name] = bodies[name]
        called = {each for pair in re.findall(r"self\.(\w+)|\b(_\w+)\(", bodies[name]) for each in pair}
        waiting += [each for each in called if each in bodies and each not in reached]
    return "\n".join(reached.values())


def _calls_in(source: str) -> set[str]:
    """Read the calls on clients, under the names of the permissions that they need."""
    calls = re.findall(_CALL, source)
    named = {f"{_CLIENTS.get(it, it)}:{''.join(part.title() for part in call.split('_'))}" for it, call in calls}
    return {permission for call in named for permission in _PERMISSIONS.get(call, (call,))}


_CALL = r"\b_?(sagemaker|s3|dynamodb|sqs|events|logs|sns|ssm|runtime|client)(?:\"\)|\(\))?\.([a-z][a-z0-9_]+)\("
_CLIENTS = {"runtime": "sagemaker", "client": "dynamodb"}
_PERMISSIONS = {
    "dynamodb:TransactWriteItems": ("dynamodb:PutItem", "dynamodb:DeleteItem"),
    "s3:CompleteMultipartUpload": ("s3:PutObject",),
    "s3:CreateMultipartUpload": ("s3:PutObject",),
    "s3:GeneratePresignedUrl": ("s3:GetObject",),
    "s3:GetPaginator": ("s3:ListBucketMultipartUploads",),
    "s3:GetObject": ("s3:GetObject", "s3:ListBucket"),
    "s3:HeadObject": ("s3:GetObject", "s3:ListBucket"),
    "s3:ListObjectsV2": ("s3:ListBucket",),
    "s3:UploadPart": ("s3:PutObject",),
    "sagemaker:CreateEndpoint": ("sagemaker:CreateEndpoint", "sagemaker:AddTags"),
    "sagemaker:CreateEndpointConfig": ("sagemaker:CreateEndpointConfig", "sagemaker:AddTags"),
    "sagemaker:CreateModel": ("sagemaker:CreateModel", "sagemaker:AddTags", "iam:PassRole"),
    "sagemaker:CreateModelPackageGroup": ("sagemaker:CreateModelPackageGroup", "sagemaker:AddTags"),
    "sagemaker:CreateTrainingJob": ("sagemaker:CreateTrainingJob", "sagemaker:AddTags", "iam:PassRole"),
}
"""Where a call takes another permission than its name's, or more; S3 tells 404 from 403 only to those who may list."""


def test_nobody_writes_where_users_write(template: Template) -> None:
    for name, statement in statements(template):
        if {"s3:PutObject", "s3:DeleteObject"} & set(actions(statement)):
            named = json.dumps(statement["Resource"])
            assert not re.search(r"Arn}/(\*|datasets|pipelines)", named), name


def test_the_bucket_is_private_encrypted_and_kept(template: Template) -> None:
    bucket = template["Resources"]["Bucket"]
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert set(bucket["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}
    encryption = bucket["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]
    assert encryption == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    (statement,) = template["Resources"]["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_the_outputs_tell_a_client_where_everything_is(template: Template) -> None:
    assert {
        "ApiUrl", "EndpointURL", "BucketName", "TableName", "ApiKeyId", "WakeQueueUrl", "Prefix", "Stage",
    } <= set(template["Outputs"])  # fmt: skip


def test_the_zip_holds_the_app_and_its_bytecode_alone(packages: dict[str, Path]) -> None:
    with zipfile.ZipFile(packages["dev"].with_name("deployment.zip")) as archive:
        names = archive.namelist()
        compiled = [name for name in names if name.startswith("chalicelib/") and name.endswith(".pyc")]
        flags = {int.from_bytes(archive.read(name)[4:8], "little") for name in compiled}
    assert {"app.py", "chalicelib/predict/handler.py"} <= set(names)
    assert not [name for name in names if name.split("/")[0] in {"infra", "tests", "dropforge", ".chalice"}]
    assert len(compiled) == len([name for name in names if name.startswith("chalicelib/") and name.endswith(".py")])
    assert flags == {0b01}  # hash-based, and never checked against the source


def test_equal_sources_make_equal_zips(packages: dict[str, Path]) -> None:
    dev, prod = (packages[stage].with_name("deployment.zip").read_bytes() for stage in STAGES)
    assert dev == prod


def test_predict_starts_from_the_zip_without_anything_heavy(packages: dict[str, Path], tmp_path: Path) -> None:
    with zipfile.ZipFile(packages["dev"].with_name("deployment.zip")) as archive:
        archive.extractall(tmp_path)
    code = "import json, sys, chalicelib.predict.handler as it; print(json.dumps([it.__file__, *sys.modules]))"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    file, *modules = json.loads(ran.stdout)
    assert Path(file).is_relative_to(tmp_path)
    heavy = {"chalice", "boto3", "botocore", "pydantic", "aws_lambda_powertools", "dataclasses", "app"}
    assert heavy.isdisjoint(modules)
