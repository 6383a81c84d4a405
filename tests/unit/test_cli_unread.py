"""Who reads the command line may stop at any time: it ends quietly, and as it would have."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from dropforge.cli.command import Session, command, end
from dropforge.cli.errors import Exit
from tests.unit.clitool import RUN, Tool, run
from tests.unit.stubcloud import StubCloud, running


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[StubCloud]:
    with running(tmp_path / "home") as cloud:
        yield cloud


@pytest.fixture
def dropforge(cloud: StubCloud) -> Tool:
    return Tool(cloud)


_READERS = [
    (("runs",), 1),
    (("runs", "--json"), 1),
    (("show", RUN, "--json"), 1),
    (("log", RUN), 1),
    (("show", RUN), 1),
    (("--help",), 0),
    (("runs", "--help"), 0),
    (("--version",), 0),
]


@pytest.mark.parametrize(("words", "headers"), _READERS)
def test_who_stops_reading_ends_it_quietly(
    cloud: StubCloud, dropforge: Tool, words: tuple[str, ...], headers: int
) -> None:
    lines = [{"at": None, "text": "epoch"}] * 3
    cloud.routes["/api/v1/runs"] = 200, {"runs": [run("live")], "next": None}
    cloud.routes[f"/api/v1/runs/{RUN}"] = 200, run("live", reason="long " * 10_000)
    cloud.routes[f"/api/v1/runs/{RUN}/log"] = 200, {"lines": lines, "next": None}
    with dropforge.start(*words) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert len(process.stderr.read().splitlines()) == headers
    assert process.returncode == 0


@pytest.mark.parametrize(("words", "code"), [(("runs",), 0), (("runs", "--limit", "none"), 2), (("show", "no-run"), 2)])
def test_what_is_said_beside_the_output_may_go_unread(
    cloud: StubCloud, dropforge: Tool, words: tuple[str, ...], code: int
) -> None:
    cloud.routes["/api/v1/runs"] = 200, {"runs": [run("live")], "next": None}
    with dropforge.start(*words) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stderr.close()
        assert (RUN in process.stdout.read()) is (code == 0)
    assert process.returncode == code


def test_a_pipe_that_breaks_elsewhere_is_no_output_that_nobody_reads(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    app = typer.Typer(pretty_exceptions_enable=False)

    @command(app)
    def send(_session: Session) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr("sys.argv", ["dropforge"])
    with pytest.raises(SystemExit) as ended:
        end(app)
    assert (ended.value.code, "Broken pipe" in capsys.readouterr().err) == (Exit.TROUBLE, True)
