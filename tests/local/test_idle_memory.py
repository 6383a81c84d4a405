"""What a cloud that does nothing need not hold in memory."""

from __future__ import annotations

import json
import subprocess
import sys

import boto3

from dropforge.local import apis

READ_LATE = """
import json, sys, types
from dropforge.local.ministack import later
later.read_services_late()
later.read_services_late()
import ministack.app
import ministack.services.cloudformation.provisioners
known = lambda: {name for name, module in sys.modules.items() if name.startswith("ministack.services.")
                 and type(module) is types.ModuleType}
unread = lambda name: type(sys.modules["ministack.services." + name]) is later.Later
services = {"rds", "iot", "ec2", "batch"}
saved = lambda: sorted(name for name, state in ministack.app._build_persistence_save_dict().items()
                       if name in services and state() is not None)
told = {"unread": [name for name in ("rds", "iot", "ec2", "cognito") if unread(name)]}
told["saved"] = saved()
told["still unread"] = unread("rds")
told["asked"] = bool(ministack.app._get_module("rds").handle_request) and not unread("rds")
told["saved then"] = saved()
sys.modules["ministack.services.iot"].handle_request = "ours"
told["kept"] = sys.modules["ministack.services.iot"].handle_request == "ours" and not unread("iot")
broken = ministack.app._get_module("batch")
broken.__dict__["__reading__"]._loader = None
try:
    broken.handle_request
except AttributeError:
    told["broken saved"] = "batch" in saved()
told["missing"] = hasattr(sys.modules["ministack.services.ec2"], "no_such_name")
print(json.dumps(told))
"""


def test_services_that_nobody_uses_are_not_read_and_those_that_somebody_uses_are_whole() -> None:
    command = [sys.executable, "-c", READ_LATE]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1]) == {
        "unread": ["rds", "iot", "ec2", "cognito"],
        "saved": [],
        "still unread": True,
        "asked": True,
        "saved then": ["rds"],
        "kept": True,
        "broken saved": False,
        "missing": False,
    }


def described(session: boto3.session.Session) -> object:
    model = session.client("sqs").meta.service_model
    return model._service_description  # noqa: SLF001  whether it is one and the same shows nowhere else


def test_all_clients_of_a_process_read_one_description_of_a_service() -> None:
    apis.share()
    one, two = (boto3.session.Session("key", "secret", region_name="us-east-1") for _ in range(2))
    assert described(one) is described(two) is apis.service("sqs")._service_description  # noqa: SLF001  see above


def places(session: boto3.session.Session) -> int:
    return len(session._loader.search_paths)  # noqa: SLF001  it shows nowhere else


def test_each_session_has_a_loader_of_its_own_over_what_all_have_read() -> None:
    apis.share()
    # boto3 gives each the place of its own descriptions: in one that all share they would become more and more.
    counts = [places(boto3.session.Session("key", "secret", region_name="us-east-1")) for _ in range(3)]
    assert counts[0] == counts[1] == counts[2]


def test_descriptions_are_read_without_their_texts_and_are_whole_for_botocore() -> None:
    apis.share()
    model = apis.service("scheduler")  # which nothing else here asks for
    assert {model.documentation, *(model.shape_for(name).documentation for name in model.shape_names)} == {""}
    assert model.operation_model("CreateSchedule").input_shape.required_members
    # botocore asks for the texts of these by their name: https://github.com/boto/botocore, model.py.
    assert {each.documentation for each in apis.service("s3control").client_context_parameters} == {""}
