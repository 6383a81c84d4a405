"""What a container may rely on, whoever runs it: a folder in its sandbox, or Docker or Podman.

What an engine runs is tried only where one answers. The pretended one shows that our side of it works; it has no walls,
so it keeps neither the names of hosts nor the limit of memory.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dropforge.local.sagemaker import sandbox
from dropforge.local.sagemaker.sandbox import Spec
from dropforge.local.sagemaker.sandbox.contract import Image, Place, Process
from tests.local.sagemaker import engines
from tests.local.sagemaker.test_limits import carrying
from tests.local.sagemaker.world import until

_SECONDS = 60
_PORT = {"SAGEMAKER_BIND_TO_PORT": "8080"}
_SERVE = """
import os, socket
listening = socket.create_server(("0.0.0.0", int(os.environ["SAGEMAKER_BIND_TO_PORT"])))
while True:
    with listening.accept()[0] as connection:
        if connection.recv(4) == b"name":
            connection.sendall(os.environ["NAME"].encode())
"""
_MEET = """
import socket, sys, threading
me, other = sys.argv[1:]
listening = socket.create_server(("0.0.0.0", 8080))
def say():
    while True:
        try:
            with socket.create_connection((other, 8080), 5) as connection:
                return connection.sendall(me.encode())
        except OSError:
            threading.Event().wait(0.05)
saying = threading.Thread(target=say)
saying.start()
with listening.accept()[0] as connection:
    print(socket.gethostname(), "heard", connection.recv(20).decode(), flush=True)
saying.join()
"""


@pytest.fixture(scope="module")
def missing_engine() -> str | None:
    return engines.missing()


@pytest.fixture(params=["folder", "pretended", "engine"])
def kind(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing_engine: str | None
) -> str:
    if request.param == "pretended":
        for name, value in engines.pretend(tmp_path / "engine").items():
            monkeypatch.setenv(name, value)
    elif request.param == "engine" and missing_engine:
        pytest.skip(missing_engine)
    return str(request.param)


@pytest.fixture
def image(kind: str, tmp_path: Path) -> Iterator[Image]:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    made = engines.image(kind, home)
    made.bring(lambda: False)
    yield made
    until(lambda: not engines.left(made))


def _start(place: Place, folder: Path, code: str, *words: str, **more: Any) -> Process:
    return place.start(Spec(("python", "-c", code, *words), folder, **more))


def _ended(process: Process) -> tuple[int | None, str]:
    """Wait for the end; gives the exit code and what was written."""
    with process.output as output:
        said = output.read().decode()
    return process.wait(_SECONDS), said


def test_arguments_and_variables_reach_the_program_as_they_are_and_none_of_ours(
    image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET_OF_THE_CLOUD", "hidden")
    code = "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ)]))"
    given = {"PLAIN": "one", "LONG": "two words = \"quoted\" $HOME\n'and' a line", "EMPTY": ""}
    words = ["--name", "x y", "", "$HOME", "--rm", "-h"]
    code_of_exit, said = _ended(_start(image, tmp_path / "job", code, *words, environment=given))
    assert code_of_exit == 0
    seen, variables = json.loads(said)
    assert seen == words
    assert {name: variables.get(name) for name in given} == given
    assert "A_SECRET_OF_THE_CLOUD" not in variables


def test_an_entry_point_comes_before_the_arguments(image: Image, tmp_path: Path) -> None:
    spec = Spec(("-c", "import sys; print(sys.argv[1:])", "train"), tmp_path / "job", entrypoint=("python", "-B"))
    assert _ended(image.start(spec)) == (0, "['train']\n")


def test_opt_ml_is_there_and_each_has_its_own(image: Image, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "ml" / "input").mkdir(parents=True)
        (tmp_path / name / "ml" / "input" / f"{name}.txt").write_text(f"for {name}")
    code = (
        "import os, pathlib, sys; ml = pathlib.Path(sys.argv[1]); print(*os.listdir(ml / 'input'));"
        "(ml / 'model/deep').mkdir(parents=True); (ml / 'model/deep/weights').write_text('heavy')"
    )
    for name in ("one", "two"):
        assert _ended(_start(image, tmp_path / name, code, "/opt/ml")) == (0, f"{name}.txt\n")
        assert (tmp_path / name / "ml" / "model" / "deep" / "weights").read_text() == "heavy"


def test_what_is_written_comes_as_it_is_written_errors_and_all(image: Image, tmp_path: Path) -> None:
    code = (
        "import pathlib, sys, time; print('first', file=sys.stderr, flush=True); go = pathlib.Path(sys.argv[1])\n"
        "while not go.exists(): time.sleep(0.01)\n"
        "print('second')"
    )
    process = _start(image, tmp_path / "job", code, "/opt/ml/go")
    assert process.output.readline() == b"first\n"
    assert process.poll() is None
    (tmp_path / "job" / "ml" / "go").touch()
    assert _ended(process) == (0, "second\n")


def test_it_ends_as_its_program_ends(image: Image, tmp_path: Path) -> None:
    assert _ended(_start(image, tmp_path / "job", "raise SystemExit(7)")) == (7, "")


def test_a_program_that_is_not_there_fails_and_says_so(image: Image, tmp_path: Path) -> None:
    code, said = _ended(image.start(Spec(("no-such-program",), tmp_path / "job")))
    assert code
    assert "No such file" in said


def test_sigterm_is_passed_on_and_the_program_may_answer(image: Image, tmp_path: Path) -> None:
    code = (
        "import signal, sys\n"
        "def end(*_): print('asked', flush=True); sys.exit(3)\n"
        "signal.signal(signal.SIGTERM, end); print('up', flush=True); signal.pause()"
    )
    process = _start(image, tmp_path / "job", code)
    assert process.output.readline() == b"up\n"
    process.signal(signal.SIGTERM)
    assert _ended(process) == (3, "asked\n")


def test_a_program_without_an_answer_ends_by_sigterm(image: Image, tmp_path: Path) -> None:
    process = _start(image, tmp_path / "job", "import time; print('up', flush=True); time.sleep(600)")
    process.output.readline()
    process.signal(signal.SIGTERM)
    assert _ended(process)[0] == 128 + signal.SIGTERM


def test_a_program_that_will_not_hear_is_killed(image: Image, tmp_path: Path) -> None:
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    )
    process = _start(image, tmp_path / "job", code)
    process.output.readline()
    process.signal(signal.SIGTERM)
    assert process.wait(0.5) is None
    process.kill()
    assert process.wait(_SECONDS) in {128 + signal.SIGKILL, -signal.SIGKILL}
    process.output.close()


def test_a_server_answers_on_port_8080_though_another_has_it_too(image: Image, tmp_path: Path) -> None:
    servers = {
        name: _start(image, tmp_path / name, _SERVE, environment={**_PORT, "NAME": name}, port=8080)
        for name in ("one", "two")
    }
    for name, process in servers.items():
        assert until(partial(_asked, process), _SECONDS) == name
    for process in servers.values():
        process.kill()
        process.wait(_SECONDS)
        process.output.close()


def _asked(process: Process) -> str | None:
    try:
        with process.connect(8080, 5) as connection:
            connection.sendall(b"name")
            return connection.recv(20).decode()
    except (OSError, sandbox.SandboxError):
        return None


@pytest.mark.parametrize(
    "kind", [pytest.param("folder", marks=pytest.mark.walls("algo-1, algo-2, …")), "engine"], indirect=True
)
def test_hosts_of_one_job_reach_one_another_by_name(image: Image, tmp_path: Path) -> None:
    hosts = ("algo-1", "algo-2")
    network = image.network(hosts)
    running = [
        _start(network.place(me), tmp_path / me, _MEET, me, other)
        for me, other in zip(hosts, reversed(hosts), strict=True)
    ]
    for process in running:
        process.begin()
    ended = [_ended(process) for process in running]
    network.close()
    # An engine may tell of its own network, too.
    assert [(code, said.splitlines()[-1:]) for code, said in ended] == [
        (0, ["algo-1 heard algo-2"]),
        (0, ["algo-2 heard algo-1"]),
    ]


@pytest.mark.parametrize("kind", [pytest.param("folder", marks=pytest.mark.walls("The wall")), "engine"], indirect=True)
def test_a_job_reaches_nothing_but_itself(image: Image, tmp_path: Path) -> None:
    code = (
        "import socket; socket.create_server(('0.0.0.0', 8080)); print(socket.gethostname())\n"
        "socket.create_connection(('algo-1', 8080), 5)\n"
        "try: socket.create_connection(('192.0.2.1', 80), 5)\n"
        "except OSError as error: print(error)"
    )
    said = _ended(_start(image, tmp_path / "job", code.replace("socket.create_server", "s = socket.create_server")))
    assert said == (0, "algo-1\n[Errno 101] Network is unreachable\n")


def test_files_are_limited(image: Image, tmp_path: Path) -> None:
    code = "import resource; print(resource.getrlimit(resource.RLIMIT_NOFILE))"
    assert _ended(_start(image, tmp_path / "job", code, files=100)) == (0, "(100, 100)\n")


@pytest.mark.parametrize("kind", ["folder", "engine"], indirect=True)
def test_memory_is_limited(image: Image, tmp_path: Path) -> None:
    code = "b = bytearray(512 << 20); b[::4096] = b'x' * len(b[::4096]); print('had it')"
    exit_code, said = _ended(_start(image, tmp_path / "job", code, memory=128 << 20))
    assert exit_code
    assert "had it" not in said


@pytest.mark.parametrize("kind", ["folder", "engine"], indirect=True)
def test_who_takes_too_much_memory_is_ended_and_it_is_told(image: Image, tmp_path: Path) -> None:
    # Nobody is refused memory that could be shared.
    code = (
        "import mmap, signal; held = mmap.mmap(-1, 512 << 20)\n"
        "for _ in range(512): held.write(b'x' * (1 << 20))\n"
        "signal.pause()"
    )
    process = _start(image, tmp_path / "job", code, memory=128 << 20)
    assert _ended(process)[0] == 128 + signal.SIGKILL
    assert process.out_of_memory()


def test_who_is_killed_was_not_out_of_memory(image: Image, tmp_path: Path) -> None:
    process = _start(image, tmp_path / "job", "import time; print('up', flush=True); time.sleep(600)")
    process.output.readline()
    process.kill()
    process.wait(_SECONDS)
    process.output.close()
    assert not process.out_of_memory()


def test_what_a_program_leaves_behind_ends_with_it(image: Image, tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    code = (
        "import subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)', sys.argv[1]], start_new_session=True)"
    )
    assert _ended(_start(image, tmp_path / "job", code, mark)) == (0, "")
    until(lambda: not carrying(mark))


def test_kill_9_of_who_started_it_leaves_nothing(image: Image, kind: str, tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    starts = (
        "import pathlib, sys\n"
        "from dropforge.local.sagemaker.sandbox import Spec; from tests.local.sagemaker import engines\n"
        "image = engines.image(sys.argv[1], pathlib.Path(sys.argv[2]))\n"
        "words = ('python', '-c', 'import time; print(1, flush=True); time.sleep(600)', sys.argv[4])\n"
        "process = image.start(Spec(words, pathlib.Path(sys.argv[3]), port=8080))\n"
        "while process.output.readline() not in {b'', b'1\\n'}: pass\n"  # an engine may say something first
        "print('up', flush=True); process.wait()"
    )
    words = [sys.executable, "-c", starts, kind, str(tmp_path / "home"), str(tmp_path / "job"), mark]
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=dict(os.environ)) as cloud:
        try:
            assert cloud.stdout is not None
            assert cloud.stdout.readline() == b"up\n"
            assert len(carrying(mark)) > 1
        finally:
            cloud.kill()
    until(lambda: not carrying(mark))
    until(lambda: not engines.left(image))
