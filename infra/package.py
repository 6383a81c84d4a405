"""Packages a stage for AWS: `python infra/package.py --stage prod --out build/prod`.

`chalice package` does most of it, in a copy of what ships. Two things are added, both measured or documented:

- The zip gets .pyc files: without them a cold start compiles all that it imports, 426 ms instead of 185. They are
  `unchecked-hash`, since a copy changes the times that other .pyc files are checked by; they fit the runtime because
  Chalice names the runtime after the interpreter that packages. Equal sources make equal zips.
- The template becomes JSON: Chalice's YAML has aliases, which CloudFormation does not read
  (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html).

Then, with a bucket for code:

    aws cloudformation package --template-file OUT/sam.json --s3-bucket CODE --output-template-file OUT/deploy.yaml
    aws cloudformation deploy --template-file OUT/deploy.yaml --stack-name PREFIX-STAGE --capabilities CAPABILITY_IAM
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from py_compile import PycInvalidationMode

import yaml

PROJECT = Path(__file__).resolve().parents[1]
SHIPPED = ("app.py", "chalicelib", ".chalice", "infra", "requirements.txt")
_CHALICE = "import sys; from chalice.cli import main; sys.exit(main())"
_WITHIN = 900  # seconds; wheels for another platform may have to be fetched
_MOMENT = (1980, 1, 1, 0, 0, 0)  # the first that a zip can name


class PackageError(Exception):
    """`chalice package` failed."""


def package(stage: str, out: Path, *, region: str, requirements: bool = True, project: Path = PROJECT) -> Path:
    """Write `deployment.zip` and `sam.json` into `out`; gives the template's path.

    Without requirements the zip holds our own code alone: enough to look at the template, in a second.
    """
    with tempfile.TemporaryDirectory(prefix="dropforge-package-") as folder:
        copy, made = Path(folder) / "project", Path(folder) / "out"
        _copy(project, copy, requirements=requirements)
        _run_chalice(copy, made, stage, region)
        out.mkdir(parents=True, exist_ok=True)
        _compile(made / "deployment.zip", out / "deployment.zip", Path(folder) / "zip")
        template = yaml.safe_load((made / "sam.yaml").read_text())
        (out / "sam.json").write_text(json.dumps(template, indent=2) + "\n")
    return out / "sam.json"


def _copy(project: Path, copy: Path, *, requirements: bool) -> None:
    copy.mkdir()
    for name in SHIPPED:
        if (project / name).is_dir():
            shutil.copytree(project / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "deployments"))
        else:
            shutil.copy(project / name, copy / name)
    if not requirements:
        (copy / "requirements.txt").write_text("")


def _run_chalice(copy: Path, made: Path, stage: str, region: str) -> None:
    merge = str(copy / "infra" / "template.yaml")
    command = [sys.executable, "-c", _CHALICE, "package", "--stage", stage, "--merge-template", merge, str(made)]
    # A shell's own settings (`dropforge env`) reach no function: they must not stand in for the stage's. This and
    # `_why` stand in dropforge/local/packaging.py, too: this runs without the tool, and the tool without this.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DROPFORGE_")}
    environment |= {"AWS_DEFAULT_REGION": region, "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(
        command, cwd=copy, env=environment, capture_output=True, text=True, timeout=_WITHIN, check=False
    )
    if ran.returncode:
        raise PackageError(_why(stage, ran.stderr.strip() or ran.stdout.strip()))


def _why(stage: str, said: str) -> str:
    """Tell a bad setting in its own sentence, and anything else in full."""
    _, bad, sentence = said.rpartition("BadSettingError: ")
    return (
        f"stage {stage} is set up wrongly: {sentence}" if bad else f"chalice package failed for stage {stage}: {said}"
    )


def _compile(source: Path, target: Path, folder: Path) -> None:
    """Write the zip again with a .pyc beside each module, in one order and under one date."""
    with zipfile.ZipFile(source) as archive:
        archive.extractall(folder)
    compileall.compile_dir(
        folder, quiet=2, stripdir=str(folder), force=True, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH
    )
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(file.relative_to(folder).as_posix(), _MOMENT)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)


def main() -> int:
    parser = argparse.ArgumentParser(description="Package a stage for AWS.")
    parser.add_argument("--stage", default="dev")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--region", default=os.environ.get("AWS_REGION", "us-east-1"))
    parser.add_argument("--bare", action="store_true", help="leave the requirements out")
    chosen = parser.parse_args()
    try:
        template = package(chosen.stage, chosen.out, region=chosen.region, requirements=not chosen.bare)
    except PackageError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{template}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
