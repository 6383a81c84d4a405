"""What a stage deploys: `chalice package` merged with `infra/`, then translated into plain CloudFormation.

Both are done by children that end: what they load (Chalice, the SAM translator) is more than the cloud itself, and
nobody needs it afterwards. What they made is kept in the home until something that they read has changed.

Only the zip differs from what AWS gets: handlers run from the working tree, so a placeholder lies where the code would.
That is also why `infra/package.py` is not asked: compiling the zip and writing JSON take as long again as `chalice
package` itself, and every start waits for it. A test compares the templates that both make.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

BUCKET = "dropforge-local-deployments"
PLACEHOLDER = "working-tree.zip"
CODE = f"s3://{BUCKET}/{PLACEHOLDER}"
_SHIPPED = ("app.py", "chalicelib", ".chalice", "infra")
_NOT_READ = ("__pycache__", "deployed", "deployments")
_WITHIN = 120
_CHALICE = "import sys; from chalice.cli import main; sys.exit(main())"
_TRANSLATE = """
import json, sys
import yaml
from samtranslator.translator.transform import transform

class NoPolicies:
    def load(self):
        return {}

json.dump(transform(yaml.safe_load(sys.stdin.buffer.read()), {}, NoPolicies()), sys.stdout)
"""
"""Its first lines take most of its time: it is started first, and waits for the template while that is made."""


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


def template(project: Path, stage: str, region: str, kept: Path) -> str:
    """Give the CloudFormation template of a stage, out of the folder `kept` where nothing has changed since."""
    file = kept / f"{stage}-{_digest(project, region)}.json"
    if not file.exists():
        made = translated(project, stage, region)
        kept.mkdir(exist_ok=True)
        for old in kept.glob(f"{stage}-*"):
            old.unlink(missing_ok=True)
        new = file.with_suffix(".new")
        new.write_text(made)
        new.replace(file)  # a kill meanwhile leaves no half of one
    return file.read_text()


def translated(project: Path, stage: str, region: str) -> str:
    """Package a stage and translate its template; DeployError where one of them fails."""
    environment = _environment(region)
    command = [sys.executable, "-c", _TRANSLATE]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as translator:
        try:
            made, said = translator.communicate(package(project, stage, region), timeout=_WITHIN)
        finally:
            translator.kill()
    if translator.returncode:
        raise DeployError(f"the template of stage {stage} cannot be translated: {said.strip()}")
    return made


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
        made = subprocess.run(
            [*command, str(Path(folder) / "out")],
            cwd=copy,
            env=_environment(region),
            capture_output=True,
            text=True,
            timeout=_WITHIN,
            check=False,
        )
        if made.returncode:
            raise DeployError(_why(stage, made.stderr.strip() or made.stdout.strip()))
        [found] = [file for file in (Path(folder) / "out").iterdir() if file.stem == "sam"]
        return found.read_text().replace("./deployment.zip", CODE)


# `_why` and `_environment` stand in infra/package.py, too: that runs without the tool, and the tool without that.
def _why(stage: str, said: str) -> str:
    """Tell a bad setting in its own sentence, and anything else in full."""
    _, bad, sentence = said.rpartition("BadSettingError: ")
    return (
        f"stage {stage} is set up wrongly: {sentence}" if bad else f"chalice package failed for stage {stage}: {said}"
    )


def _environment(region: str) -> dict[str, str]:
    """Give what a child is to see: settings are the project's own, since functions get no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DROPFORGE_")}
    return kept | {"AWS_DEFAULT_REGION": region, "PYTHONDONTWRITEBYTECODE": "1"}


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(*_NOT_READ))
    elif source.exists():
        shutil.copy2(source, target)


def _digest(project: Path, region: str) -> str:
    """Tell all that a template is made of: the files, the region, and the programs that make it."""
    made_by = [f"{name} {version(name)}" for name in ("chalice", "aws-sam-translator")]
    digest = hashlib.sha256("\n".join([region, sys.version, sys.prefix, *made_by]).encode())
    for file in sorted(path for name in _SHIPPED for path in _files(project / name)):
        digest.update(f"{file.relative_to(project)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:32]


def _files(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    return [path for path in place.rglob("*") if path.is_file() and not set(_NOT_READ) & set(path.parts)]
