"""What holds for every test."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from chalicelib.flows import again
from dropforge.local.sagemaker import sandbox

# Nothing is timed: a machine that is busy with something else makes no test fail. And what has passed passes again:
# the examples are the same every time, unless `--hypothesis-profile search` looks for new ones.
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=2000)
settings.register_profile("same", settings.get_profile("search"), max_examples=100, derandomize=True)
settings.load_profile("same")

# A shell that starts the tests in the background lets them ignore Ctrl-C, and so would every process they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_LONGEST_FIRST = ("tests/e2e/", "tests/local/", "tests/contracts/")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the folders that wait for real clouds: a process that meets one last keeps the others waiting.

    The order within a folder stays the random one.
    """
    items.sort(
        key=lambda item: next((n for n, folder in enumerate(_LONGEST_FIRST) if item.nodeid.startswith(folder)), 9)
    )


@pytest.fixture(scope="session", autouse=True)
def no_pauses() -> Iterator[None]:
    """Nobody waits after a conflict: worlds in memory have thousands of them, each where it was planned."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(again, "pause", lambda _: None)
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what only walls give where programs run without them: before any fixture has begun."""
    mark = item.get_closest_marker("walls")
    if mark and (why := sandbox.walls()):
        (row,) = mark.args
        pytest.skip(f"{row}: {why}")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--against",
        choices=["local", "aws"],
        default="local",
        help="what tests/contracts/sagemaker meets: a local cloud, or the AWS account that boto3 finds (which costs)",
    )
