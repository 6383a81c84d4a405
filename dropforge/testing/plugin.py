"""Fixtures for tests of anybody's SageMaker code: `local_sagemaker` and `local_cloud`.

The server is a process of its own. `--dropforge-command`, the ini value `dropforge_command` or DROPFORGE_COMMAND name
the `dropforge` to start it with. It may be installed elsewhere (`pipx install '/path/to/clone[local]'`): then nothing
of the tests' own environment is touched, whatever boto3 they use.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from dropforge.testing import server


def pytest_addoption(parser: pytest.Parser) -> None:
    what = "the dropforge command that serves local_sagemaker and local_cloud (default: that of this environment)"
    parser.getgroup("dropforge").addoption("--dropforge-command", metavar="COMMAND", help=what)
    parser.addini("dropforge_command", what)
    parser.addini("dropforge_speed", "pace of local_sagemaker: 1 as on AWS, 0 at once", default="0")
    parser.addini("dropforge_seed", "draws the delays of local_sagemaker; the same seed draws the same", default="0")
    images = "REPOSITORY=FOLDER on each line: folders with train and serve in images' places, for local_sagemaker"
    parser.addini("dropforge_images", images, type="linelist")
    parser.addini("dropforge_project", "the checkout of Dropforge whose app local_cloud runs")


@pytest.fixture(scope="session")
def local_sagemaker(pytestconfig: pytest.Config) -> Iterator[server.Server]:
    """SageMaker, S3 and what they need, on 127.0.0.1; nothing is kept."""
    words = ["sagemaker", "--speed", str(pytestconfig.getini("dropforge_speed"))]
    words += ["--seed", str(pytestconfig.getini("dropforge_seed"))]
    words += [word for image in pytestconfig.getini("dropforge_images") for word in ("--image", _at_home(image))]
    with server.running(words, command=_command(pytestconfig), folder=pytestconfig.rootpath) as running:
        yield running


@pytest.fixture(scope="session")
def local_cloud(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[server.Server]:
    """Dropforge's whole local cloud, the functions and HTTP API of a checkout deployed; nothing is kept."""
    words = ["up", "--home", str(tmp_path_factory.mktemp("cloud"))]
    if project := str(pytestconfig.getini("dropforge_project")):
        words += ["--project", str(Path(project).expanduser())]
    with server.running(words, command=_command(pytestconfig), folder=pytestconfig.rootpath) as running:
        yield running


def _command(config: pytest.Config) -> tuple[str, ...]:
    named = config.getoption("--dropforge-command") or config.getini("dropforge_command")
    named = named or os.environ.get("DROPFORGE_COMMAND")
    if not named:
        return server.OURS
    program, *words = shlex.split(str(named))
    return str(Path(program).expanduser()), *words


def _at_home(image: str) -> str:
    """Do what a shell does to a `~`."""
    repository, equals, folder = image.partition("=")
    return f"{repository}{equals}{Path(folder).expanduser() if folder.startswith('~') else folder}"
