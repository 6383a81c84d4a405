from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from dropforge.local.sagemaker import sandbox
from dropforge.local.sagemaker.sandbox import view, wish
from tests.local.sagemaker.world import World, until


def _processes_with(mark: str) -> list[int]:
    """Find the processes of this machine that carry a mark in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_bytes()
        except OSError:
            continue
        if mark.encode() in text and int(path.parent.name) != os.getpid():
            found.append(int(path.parent.name))
    return found


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret.txt"
    file.write_text("the keys of the cloud")
    return file


@pytest.fixture
def listening() -> Iterator[int]:
    """A port of this machine that answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


@pytest.mark.walls("The wall")
def test_a_job_can_neither_write_outside_nor_reach_the_network_nor_undo_its_walls(
    world: World, secret: Path, listening: int
) -> None:
    job = world.train("breaks_out.py", HyperParameters={"a": str(secret), "b": str(listening)})
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    tries = json.loads(world.unpack(job["ModelArtifacts"]["S3ModelArtifacts"])["tries.json"])
    assert tries.pop("signal init") == "done: None"  # the kernel drops it: the job is still there to tell
    assert tries.pop("remount") != 0
    assert tries.pop("unshare") != 0
    assert not [name for name, became in tries.items() if not became.startswith("refused")], tries
    assert secret.read_text() == "the keys of the cloud"


@pytest.mark.walls("The wall")
def test_a_job_sees_its_own_world_and_nothing_of_ours(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET_OF_THE_CLOUD", "hidden")
    job = world.train("tells_what_it_sees.py")
    seen = json.loads(world.unpack(job["ModelArtifacts"]["S3ModelArtifacts"])["seen.json"])
    assert "A_SECRET_OF_THE_CLOUD" not in seen["environment"]
    assert not {name for name in seen["environment"] if name.startswith("AWS_")} - {"AWS_REGION"}
    assert seen["processes"] == sorted(["1", "2", *seen["processes"][2:]])
    assert len(seen["processes"]) == 3  # init, the image's program, the script
    assert seen["host"] == ["algo-1", "127.0.0.1"]
    assert "home" not in seen["root"]
    assert seen["path"][0] == "/opt/ml/code"


def test_the_keys_that_this_machine_keeps_beside_its_certificates_are_hidden() -> None:
    spec = view.describe(("true",), Path("/nowhere"), {}, None, ())
    assert {"/etc/ssl/private", "/etc/pki/tls/private"} <= set(spec["hidden"])


@pytest.mark.walls("The wall")
def test_scripts_cannot_import_the_project_by_accident(tmp_path: Path) -> None:
    code = "import importlib.util as u; print([name for name in ('dropforge', 'chalicelib') if u.find_spec(name)])"
    process = sandbox.start(sandbox.Spec(("python", "-c", code), tmp_path))
    assert process.wait(20) == 0
    with process.output as output:
        assert output.read() == b"[]\n"


def test_links_that_a_job_leaves_in_the_place_of_its_model_are_not_followed(world: World, secret: Path) -> None:
    job = world.train("links_out.py", HyperParameters={"outside": str(secret.parent)})
    assert job["TrainingJobStatus"] == "Completed"
    assert "ModelArtifacts" not in job
    output = f"s3://{world.bucket}/out/{job['TrainingJobName']}/output/output.tar.gz"
    assert world.unpack(output) == {}


def test_a_link_in_the_place_of_the_failure_file_is_not_read(world: World, secret: Path) -> None:
    job = world.train("links_out.py", HyperParameters={"fail": "", "outside": str(secret.parent)})
    assert job["TrainingJobStatus"] == "Failed"
    assert "keys" not in job["FailureReason"]


def test_nothing_that_a_job_left_behind_survives_it(world: World) -> None:
    mark = uuid.uuid4().hex
    job = world.train("leaves_children.py", HyperParameters={"mark": mark})
    assert job["TrainingJobStatus"] == "Completed"
    assert _processes_with(mark) == []


def test_everything_dies_with_the_process_that_started_it_even_by_kill_9(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    inside = 'setsid sh -c "sleep 3600; true" "$0" & sleep 3600; true'
    code = (
        "import sys, pathlib; from dropforge.local.sagemaker import sandbox;"
        f"p = sandbox.start(sandbox.Spec(('sh', '-c', {inside!r}, sys.argv[2]), pathlib.Path(sys.argv[1])));"
        "print('up', flush=True); p.wait()"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), mark], stdout=subprocess.PIPE)
    try:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"up\n"
        until(lambda: len(_processes_with(mark)) == 3)  # the one who started it, the program, its grandchild
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.communicate()
    until(lambda: not _processes_with(mark))


@pytest.mark.walls("The wall")
def test_a_job_does_not_read_the_keys_that_the_kernel_keeps_for_whoever_started_the_cloud(tmp_path: Path) -> None:
    keyctl = {"x86_64": (248, 250), "aarch64": (217, 219)}
    read = (
        f"import ctypes, os; _, keyctl = {keyctl}[os.uname().machine]; kernel = ctypes.CDLL(None).syscall;"
        "print(kernel(keyctl, 10, ctypes.c_long(-3), b'user', b'dropforge', 0))"
    )
    code = (
        "import ctypes, os, sys, pathlib; from dropforge.local.sagemaker import sandbox;"
        f"add, keyctl = {keyctl}[os.uname().machine]; kernel = ctypes.CDLL(None).syscall;"
        "kernel(keyctl, 1, None); made = kernel(add, b'user', b'dropforge', b'secret', 6, ctypes.c_long(-3));"
        "print(made, flush=True);"
        f"p = sandbox.start(sandbox.Spec(('python', '-c', {read!r}), pathlib.Path(sys.argv[1])));"
        "print(p.output.read().decode()); p.wait()"
    )
    said = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, check=True, text=True)
    added, found = said.stdout.split()
    if int(added) < 0:
        pytest.skip("this kernel keeps no keys")
    assert int(found) < 0


@pytest.mark.walls("Port 8080")
def test_two_sandboxes_may_listen_on_the_same_port_and_each_is_reached_by_itself(tmp_path: Path) -> None:
    serve = "import socket; s = socket.create_server(('0.0.0.0', 8080)); print('up', flush=True); c, _ = s.accept();"
    running = []
    for name in ("one", "two"):
        command = ("python", "-c", f"{serve} c.sendall(b'{name}')")
        process = sandbox.start(sandbox.Spec(command, tmp_path / name))
        assert process.output.readline() == b"up\n"
        running.append((name, process))
    for name, process in running:
        with process.connect(8080, 60) as connection:
            assert connection.recv(10) == name.encode()
        assert process.wait(60) == 0
        process.output.close()


@pytest.mark.walls("The wall")
def test_a_program_cannot_end_its_init_by_any_signal(tmp_path: Path) -> None:
    code = (
        "import os, signal\n"
        "for number in signal.valid_signals(): os.kill(1, number)\n"
        "print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    )
    process = sandbox.start(sandbox.Spec(("python", "-c", code), tmp_path))
    with process.output as output:
        assert output.read() == b"True\n"
    assert process.wait(60) == 0


def test_a_command_that_is_not_there_ends_with_the_code_of_a_shell(tmp_path: Path) -> None:
    process = sandbox.start(sandbox.Spec(("no-such-program",), tmp_path))
    assert process.wait(60) == 127
    with process.output as output:
        assert b"cannot run no-such-program" in output.read()


def test_a_machine_that_allows_sandboxes_gives_no_reason_against_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a fault of ours would be the reason to skip every test of walls."""
    monkeypatch.delenv(wish.VARIABLE, raising=False)
    assert sandbox.walls() is None or _refused_by_the_kernel()


def _refused_by_the_kernel() -> bool:
    apart = ["unshare", "--user", "--map-root-user", "--mount", "--net", "--ipc", "--uts", "--pid", "--fork"]
    try:
        return subprocess.run([*apart, "mount", "-t", "tmpfs", "none", "/mnt"], check=False).returncode != 0
    except FileNotFoundError:
        return sys.platform != "linux"
