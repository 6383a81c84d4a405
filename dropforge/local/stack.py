"""Makes a stage at home by deploying what AWS gets: `chalice package` merged with `infra/`, through a change set.

Only the zip differs: handlers run from the working tree, so a placeholder lies where the code would. That is also why
`infra/package.py` is not asked: compiling the zip and writing JSON take as long again as `chalice package` itself,
and every start waits for it. A test compares the templates that both make.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

_SHIPPED = ("app.py", "chalicelib", ".chalice", "infra")
_BUCKET = "dropforge-local-deployments"
_PLACEHOLDER_KEY = "working-tree.zip"
CODE = f"s3://{_BUCKET}/{_PLACEHOLDER_KEY}"
_EMPTY_ZIP = b"PK\x05\x06" + bytes(18)
_PACKAGE_WITHIN = 120
_DEPLOY_WITHIN = 120
_NEVER_WHOLE = {"REVIEW_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"}
"""A first creation that never ended (or was cut short by a kill): nothing in it is of use."""
_CHALICE = "import sys; from chalice.cli import main; sys.exit(main())"

Client = Callable[[str], Any]


class DeployError(Exception):
    """A stage could not be made."""


def stack_name(project: Path, stage: str) -> str:
    """Give the name of a stage's stack: `<prefix>-<stage>`, the prefix being the project's own setting."""
    config = json.loads((project / ".chalice" / "config.json").read_text())
    if stage not in config.get("stages", {}):
        known = ", ".join(sorted(config.get("stages", {})))
        raise DeployError(f"{project / '.chalice' / 'config.json'} has no stage {stage}; it has {known}")
    variables = config.get("environment_variables", {}) | config["stages"][stage].get("environment_variables", {})
    return f"{variables.get('DROPFORGE_PREFIX', 'dropforge')}-{stage}"


def package(project: Path, stage: str, region: str) -> str:
    """Give the SAM template of a project's stage as CloudFormation gets it, its code replaced by the placeholder."""
    merge = project / "infra" / "template.yaml"
    with tempfile.TemporaryDirectory(prefix="dropforge-package-") as folder:
        copy = Path(folder) / "project"
        copy.mkdir()
        for name in _SHIPPED:
            _copy(project / name, copy / name)
        # Dependencies are installed here already; the zip is thrown away.
        (copy / "requirements.txt").touch()
        command = [sys.executable, "-c", _CHALICE, "package", "--stage", stage]
        command += ["--merge-template", str(copy / "infra" / "template.yaml")] if merge.exists() else []
        environment = os.environ | {"AWS_DEFAULT_REGION": region, "PYTHONDONTWRITEBYTECODE": "1"}
        made = subprocess.run(
            [*command, str(Path(folder) / "out")],
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_PACKAGE_WITHIN,
            check=False,
        )
        if made.returncode:
            raise DeployError(f"chalice package failed for stage {stage}: {made.stderr.strip() or made.stdout.strip()}")
        [template] = [file for file in (Path(folder) / "out").iterdir() if file.stem == "sam"]
        return template.read_text().replace("./deployment.zip", CODE)


def deploy(client: Client, name: str, template: str) -> bool:
    """Create the stack, or update it when its template changed; tells whether anything was done."""
    cloudformation = client("cloudformation")
    status = _status(cloudformation, name)
    change = f"template-{hashlib.sha256(template.encode()).hexdigest()[:32]}"
    if status in _NEVER_WHOLE:
        cloudformation.delete_stack(StackName=name)
        status = _settled(cloudformation, name)
    if status and _last_change(cloudformation, name) == change and not status.endswith("ROLLBACK_COMPLETE"):
        return False
    try:
        cloudformation.create_change_set(
            StackName=name,
            ChangeSetName=change,
            ChangeSetType="UPDATE" if status else "CREATE",
            TemplateURL=_upload(client("s3"), name, template),
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
            Tags=[{"Key": "dropforge:change", "Value": change}],
        )
    except cloudformation.exceptions.ClientError as error:
        raise DeployError(f"stack {name} cannot be deployed: {error.response['Error']['Message']}") from error
    if not _planned(cloudformation, name, change):
        return False
    cloudformation.execute_change_set(StackName=name, ChangeSetName=change)
    ended = _settled(cloudformation, name)
    if ended not in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
        raise DeployError(f"stack {name} ended as {ended}: {_why(cloudformation, name)}")
    return True


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "deployed", "deployments"))
    elif source.exists():
        shutil.copy2(source, target)


def _upload(s3: Any, name: str, template: str) -> str:
    """Put the template (too large to be sent along) and the placeholder where CloudFormation finds them."""
    key = f"{name}.yaml"
    with suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=_BUCKET)
    s3.put_object(Bucket=_BUCKET, Key=_PLACEHOLDER_KEY, Body=_EMPTY_ZIP)
    s3.put_object(Bucket=_BUCKET, Key=key, Body=template.encode())
    return f"https://s3.amazonaws.com/{_BUCKET}/{key}"


def _status(cloudformation: Any, name: str) -> str | None:
    stack = _describe(cloudformation, name)
    return str(stack["StackStatus"]) if stack and stack["StackStatus"] != "DELETE_COMPLETE" else None


def _describe(cloudformation: Any, name: str) -> dict[str, Any] | None:
    try:
        return dict(cloudformation.describe_stacks(StackName=name)["Stacks"][0])
    except cloudformation.exceptions.ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            return None
        raise


def _last_change(cloudformation: Any, name: str) -> str | None:
    stack = _describe(cloudformation, name) or {}
    tags = {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}
    return tags.get("dropforge:change")


def _planned(cloudformation: Any, name: str, change: str) -> bool:
    deadline = time.monotonic() + _DEPLOY_WITHIN
    while time.monotonic() < deadline:
        plan = cloudformation.describe_change_set(StackName=name, ChangeSetName=change)
        if plan["Status"] == "CREATE_COMPLETE":
            return True
        if plan["Status"] == "FAILED":
            reason = plan.get("StatusReason", "")
            cloudformation.delete_change_set(StackName=name, ChangeSetName=change)
            if "didn't contain changes" in reason or "No updates" in reason:
                return False
            raise DeployError(f"the change set for stack {name} was refused: {reason}")
        time.sleep(0.05)
    raise DeployError(f"the change set for stack {name} was not ready within {_DEPLOY_WITHIN} s")


def _settled(cloudformation: Any, name: str) -> str | None:
    deadline = time.monotonic() + _DEPLOY_WITHIN
    while (status := _status(cloudformation, name)) and status.endswith("_IN_PROGRESS"):
        if time.monotonic() > deadline:
            raise DeployError(f"stack {name} was still {status} after {_DEPLOY_WITHIN} s")
        time.sleep(0.05)
    return status


def _why(cloudformation: Any, name: str) -> str:
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    failed = [event for event in events if event["ResourceStatus"].endswith("FAILED")]
    return "; ".join(
        f"{event['LogicalResourceId']} ({event['ResourceType']}): {event.get('ResourceStatusReason', '')}"
        for event in reversed(failed)
    )
