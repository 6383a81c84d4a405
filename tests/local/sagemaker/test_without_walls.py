"""The central promises again, for programs that are plain processes: as on macOS, or where namespaces are forbidden."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from dropforge.local.sagemaker import sandbox
from dropforge.local.sagemaker.sandbox.wish import VARIABLE
from tests.local.sagemaker.test_limits import carrying
from tests.local.sagemaker.test_memory import CHILDREN, SHARERS, SMALL, ended, told_megabytes
from tests.local.sagemaker.world import World, until

ECHO = """
import os, socket
s = socket.create_server(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])))
print("up", flush=True)
c, _ = s.accept()
c.sendall(os.environ["NAME"].encode())
"""


@pytest.fixture(scope="module", autouse=True)
def plain() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, "plain")
        yield


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, neighbours: int, plain: None) -> Iterator[World]:
    del plain
    made = World(tmp_path_factory.mktemp("home"), neighbours)
    yield made
    made.stop()


def test_it_says_so_in_one_sentence() -> None:
    why = sandbox.walls()
    assert why
    assert why.startswith("Programs run without walls: ")


def test_a_job_goes_through_every_status_and_leaves_its_model(world: World) -> None:
    job = world.train("trains_anywhere.py", HyperParameters={"epochs": "2"})
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    steps = [step["Status"] for step in job["SecondaryStatusTransitions"]]
    assert steps == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert world.unpack(job["ModelArtifacts"]["S3ModelArtifacts"]) == {"model.txt": b"2 epochs of hello"}
    until(lambda: "trained" in world.log(job["TrainingJobName"]))


def test_a_job_that_fails_says_why(world: World) -> None:
    job = world.train("raises.py")
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("AlgorithmError: ")


def test_a_job_that_is_stopped_is_asked_and_then_killed(impatient: World) -> None:
    name = impatient.begin("ignores_sigterm.py")
    until(lambda: impatient.log(name))
    impatient.sagemaker.stop_training_job(TrainingJobName=name)
    assert impatient.ended(name)["TrainingJobStatus"] == "Stopped"


def test_nothing_that_a_job_left_behind_survives_it(world: World) -> None:
    mark = uuid.uuid4().hex
    job = world.train("leaves_children.py", HyperParameters={"mark": mark})
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    until(lambda: not carrying(mark))


def test_children_that_have_too_much_memory_together_are_ended_with_their_program(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    code, for_memory, said = ended(tmp_path, CHILDREN, mark, memory=SMALL)
    assert (code, for_memory) == (137, True)
    assert 200 <= told_megabytes(said) < 600
    until(lambda: not carrying(mark))


def test_what_children_share_with_their_parent_is_counted_once(tmp_path: Path) -> None:
    code, for_memory, said = ended(tmp_path, SHARERS, memory=SMALL)
    assert (code, for_memory) == (137, True)
    assert said.startswith("all share\n")
    assert 200 <= told_megabytes(said) < 350


def test_a_program_that_kills_itself_was_not_out_of_memory(tmp_path: Path) -> None:
    assert ended(tmp_path, "import os; os.kill(os.getpid(), 9)", memory=SMALL) == (137, False, "")


def test_an_endpoint_serves_and_two_do_not_meet_on_one_port(world: World) -> None:
    one, two = world.deploy("serves_by_default.py"), world.deploy("serves_by_default.py")
    assert world.endpoint(one)["EndpointStatus"] == world.endpoint(two)["EndpointStatus"] == "InService"
    for name in (one, two):
        assert world.invoke(name, b"[1, 2]", ContentType="application/json") == "[2, 4]"
    for name in (one, two):
        world.sagemaker.delete_endpoint(EndpointName=name)


def test_several_hosts_are_refused_and_the_reason_is_told(world: World) -> None:
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}
    with pytest.raises(ClientError, match="without walls"):
        world.begin("raises.py", ResourceConfig=resources)


def test_each_server_is_reached_on_a_port_of_its_own(tmp_path: Path) -> None:
    running = []
    for name in ("one", "two"):
        process = sandbox.start(sandbox.Spec(("python", "-c", ECHO), tmp_path / name, {"NAME": name}))
        assert process.output.readline() == b"up\n"
        running.append((name, process))
    for name, process in running:
        with process.connect(8080, 60) as connection:
            assert connection.recv(10) == name.encode()
        assert process.wait(60) == 0
        process.output.close()


def test_a_program_gets_its_own_environment_and_none_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET_OF_THE_CLOUD", "hidden")
    look = "import os; print(sorted(os.environ)); print(os.environ['AT'], os.getcwd())"
    process = sandbox.start(sandbox.Spec(("python", "-c", look), tmp_path, {"AT": "/opt/ml/model"}))
    with process.output as output:
        said = output.read().decode()
    assert process.wait(60) == 0
    assert "A_SECRET" not in said
    assert f"{tmp_path}/ml/model {tmp_path}/ml" in said


def test_places_are_put_into_the_configuration_too_but_into_no_key_or_longer_name(world: World) -> None:
    given = {
        "a": "/opt/ml/checkpoints/best",
        "b": "s3://bucket/opt/ml/data",
        "c": "/opt/ml-tools/x",
        "d": '["/opt/ml"]',
    }
    job = world.train("tells_what_it_sees.py", HyperParameters=given)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    seen = json.loads(world.unpack(job["ModelArtifacts"]["S3ModelArtifacts"])["seen.json"])
    ml = seen["environment"]["SAGEMAKER_BASE_DIR"]
    own = {"a": f"{ml}/checkpoints/best", "b": given["b"], "c": given["c"], "d": f'["{ml}"]'}
    assert {name: seen["config"]["hyperparameters"][name] for name in own} == own
    assert dict(zip(seen["arguments"][::2], seen["arguments"][1::2], strict=True)) == {
        f"-{name}": text for name, text in own.items()
    }
    assert job["HyperParameters"].items() >= given.items()


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
        until(lambda: len(carrying(mark)) == 3)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.communicate()
    until(lambda: not carrying(mark))


def test_a_program_that_is_killed_or_is_not_there_ends_with_the_codes_of_a_shell(tmp_path: Path) -> None:
    missing = sandbox.start(sandbox.Spec(("no-such-program",), tmp_path / "one"))
    assert missing.wait(60) == 127
    missing.output.close()
    asleep = sandbox.start(sandbox.Spec(("sleep", "600"), tmp_path / "two"))
    asleep.signal(signal.SIGTERM)
    assert asleep.wait(60) == 128 + signal.SIGTERM
    asleep.output.close()
