"""sagemaker: SageMaker and S3 on this machine, for people who use nothing else of Dropforge."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dropforge.cli import images, installed
from dropforge.cli.cloud import STRANGERS
from dropforge.cli.command import SLOWEST
from dropforge.cli.errors import CliError, UsageError

if TYPE_CHECKING:
    from dropforge.local.sagemaker.images import StandIn

app = typer.Typer()
_OPEN_TO_OTHERS = 0o005
_ENGINE = "engine"
"""In a folder's place; a folder of that name is `./engine`."""

_Port = Annotated[int, typer.Option(min=0, max=65535, help="Where to answer on 127.0.0.1; 0 is any free port.")]
_Speed = Annotated[
    float,
    typer.Option(
        min=0,
        max=SLOWEST,
        help="Factor on what takes its time on AWS: 0 at once, 1 as there, 2 twice as long.",
    ),
]
_Seed = Annotated[int, typer.Option(help="Draws the delays; the same seed draws the same.")]
_State = Annotated[
    Path | None, typer.Option("--state", metavar="DIR", help="Keep everything there; without it, nothing is kept.")
]
_Images = Annotated[
    list[str] | None,
    typer.Option(
        "--image",
        metavar="REPOSITORY=FOLDER|engine[:NAME]",
        help="A folder with train and serve in an image's place; or Docker or Podman runs it, or another by that name.",
    ),
]
_Json = Annotated[bool, typer.Option("--json", help="Print the address and the keys as one line of JSON.")]
_Stdin = Annotated[bool, typer.Option("--until-stdin-closes", help="End when whoever started it ends.")]


@app.command(epilog="Example: dropforge sagemaker --port 4600 --state .sagemaker")
def sagemaker(
    *,
    port: _Port = 0,
    speed: _Speed = 0.0,
    seed: _Seed = 0,
    state: _State = None,
    image: _Images = None,
    as_json: _Json = False,
    until_stdin_closes: _Stdin = False,
) -> None:
    """Serve SageMaker, S3 and what they need on 127.0.0.1, until Ctrl-C."""
    installed.require(*installed.SAGEMAKER)
    images.check(image or [])
    for name in STRANGERS:
        os.environ.pop(name, None)
    from dropforge.local import alone
    from dropforge.local.home import HomeBusyError, HomeUnusableError

    plan = alone.Plan(state, port, speed, seed, until_stdin_closes, _stand_ins(image or []))
    try:
        alone.run(plan, _as_json if as_json else _in_words)
    except (HomeBusyError, HomeUnusableError) as error:
        raise CliError(str(error)) from error


def _stand_ins(given: list[str]) -> dict[str, StandIn]:
    return {name: _stand_in(name, what) for name, _, what in (each.partition("=") for each in given)}


def _stand_in(name: str, what: str) -> StandIn:
    from dropforge.local.sagemaker.engine import client
    from dropforge.local.sagemaker.images import Itself

    if what.partition(":")[0] != _ENGINE:
        return _folder(name, Path(what).resolve())
    try:
        client.find()
    except client.EngineError as error:
        raise UsageError(f"--image {name}={what}: Docker or Podman is needed to run that image: {error}") from error
    return Itself(what.partition(":")[2] or None)


def _folder(name: str, folder: Path) -> Path:
    from dropforge.local.sagemaker.sandbox import spare

    if not any((folder / program).is_file() for program in ("train", "serve")):
        raise UsageError(f"--image {name}={folder}: there is no program train or serve in that folder.")
    if spare.user() is not None and folder.stat().st_mode & _OPEN_TO_OTHERS != _OPEN_TO_OTHERS:
        told = "you are root, so programs run as a user of their own, who may not read that folder."
        raise UsageError(f"--image {name}={folder}: {told} Let it: chmod -R o+rX {folder}")
    return folder


def _as_json(card: dict[str, Any]) -> None:
    print(json.dumps(card), flush=True)


def _in_words(card: dict[str, Any]) -> None:
    if card["walls"]:
        print(card["walls"], file=sys.stderr)
    print(
        f"""SageMaker and S3 answer at {card["endpoint"]}; Ctrl-C ends them.
Point any AWS client at them:

unset {" ".join(STRANGERS)}
export AWS_ENDPOINT_URL={card["endpoint"]}
export AWS_ACCESS_KEY_ID={card["access_key"]}
export AWS_SECRET_ACCESS_KEY={card["secret_key"]}
export AWS_DEFAULT_REGION={card["region"]}""",
        flush=True,
    )
