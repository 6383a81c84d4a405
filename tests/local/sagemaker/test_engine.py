"""Our side of Docker and Podman: what is said to them, whole jobs by a pretended one, and that nothing is left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dropforge.local.sagemaker.engine import arguments, client
from dropforge.local.sagemaker.engine.image import Engine, Real
from dropforge.local.sagemaker.images import STAND_INS, Itself
from dropforge.local.sagemaker.sandbox import ImageError, Spec
from dropforge.local.sagemaker.sandbox.spec import SandboxError
from tests.local.sagemaker import engines
from tests.local.sagemaker.test_limits import carrying
from tests.local.sagemaker.world import FINAL, IMAGE, ROLE, World, until

_JOB = Spec(("train",), Path("/home/job"), {"A": "1 2", "B": "x\ny"}, memory=2 << 30, processes=1024, files=65536)
_SERVER = Spec(
    ("serve",), Path("/home/server"), port=8080, memory=1 << 30, file_size=1 << 20, processes=1024, files=65536
)
_ENTERED = Spec(("--epochs", "3"), Path("/home/job"), entrypoint=("python", "-u", "train.py"))
_ROOTS = [
    "--cap-drop", "ALL", "--cap-add", "AUDIT_WRITE", "--cap-add", "CHOWN", "--cap-add", "DAC_OVERRIDE", "--cap-add",
    "FOWNER", "--cap-add", "KILL", "--cap-add", "NET_BIND_SERVICE", "--cap-add", "SETGID", "--cap-add", "SETUID",
    "--cap-add", "SYS_CHROOT", "--security-opt", "no-new-privileges", "--log-driver", "none",
]  # fmt: skip
_ELSEWHERE = "away"


def _made(label: str, host: str) -> list[str]:
    first = ["create", "--name", "one", "--label", f"dropforge.home={label}", "--rm", "--pull", "never", "--init"]
    return [*first, "--hostname", host]


def test_a_job_is_made_with_its_own_loopback_alone() -> None:
    assert arguments.create("one", "abc", "some/image:1", _JOB) == [
        *_made("abc", "algo-1"), "--network", "none", "--add-host", "algo-1:127.0.0.1",
        "--pids-limit", "1024", "--ulimit", "nofile=65536:65536", "--shm-size", "1g",
        "--memory", "2147483648", "--memory-swap", "2147483648", *_ROOTS,
        "--volume", "/home/job/ml:/opt/ml:Z", "--env", "A=1 2", "--env", "B=x\ny", "some/image:1", "train",
    ]  # fmt: skip


def test_a_server_is_published_to_this_machine_alone_within_its_limits() -> None:
    assert arguments.create("one", "abc", "some/image:1", _SERVER, network="net") == [
        *_made("abc", "algo-1"), "--network", "net", "--network-alias", "algo-1", "--publish", "127.0.0.1::8080",
        "--pids-limit", "1024", "--ulimit", "nofile=65536:65536", "--shm-size", "1g",
        "--ulimit", "fsize=1048576:1048576", "--memory", "1073741824", "--memory-swap", "1073741824", *_ROOTS,
        "--volume", "/home/server/ml:/opt/ml:Z", "some/image:1", "serve",
    ]  # fmt: skip


def test_no_container_goes_without_a_limit_of_memory() -> None:
    said = arguments.create("one", "abc", "some/image:1", _ENTERED)
    assert 0 < int(said[said.index("--memory") + 1]) < os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_a_host_has_its_name_in_its_network_and_an_entry_point_is_parted_as_docker_wants_it() -> None:
    said = arguments.create("one", "abc", "some/image:1", _ENTERED, network="net", host="algo-2")
    assert said[: len(_made("abc", "algo-2"))] == _made("abc", "algo-2")
    assert said[said.index("--network") :][:4] == ["--network", "net", "--network-alias", "algo-2"]
    assert said[-7:] == ["--entrypoint", "python", "some/image:1", "-u", "train.py", "--epochs", "3"]


def test_all_else_that_is_said() -> None:
    assert arguments.start("one") == ["start", "--attach", "one"]
    assert arguments.signal("one", "SIGTERM") == ["kill", "--signal", "SIGTERM", "one"]
    assert arguments.kill("one") == ["kill", "--signal", "SIGKILL", "one"]
    assert arguments.remove("one") == ["rm", "--force", "--volumes", "one"]
    assert arguments.published("one", 8080) == ["port", "one", "8080/tcp"]
    named = ["network", "create", "--label", "dropforge.home=abc"]
    assert arguments.create_network("net", "abc", outward=True) == [*named, "net"]
    assert arguments.create_network("net", "abc", outward=False) == [*named, "--internal", "net"]
    assert arguments.remove_network("net") == ["network", "rm", "net"]
    assert arguments.containers("abc") == ["ps", "--all", "--quiet", "--filter", "label=dropforge.home=abc"]
    assert arguments.networks("abc") == ["network", "ls", "--quiet", "--filter", "label=dropforge.home=abc"]
    assert arguments.look() == ["ps", "--quiet"]
    assert arguments.has("some/image:1") == ["image", "inspect", "--format", "{{.Id}}", "some/image:1"]
    assert arguments.pull("some/image:1") == ["pull", "--quiet", "some/image:1"]
    assert arguments.open_up("abc", "some/image:1", _JOB) == [
        "run", "--label", "dropforge.home=abc", "--rm", "--pull", "never", "--network", "none", "--user", "0:0",
        "--log-driver", "none", "--volume", "/home/job/ml:/opt/ml:Z", "--entrypoint", "chmod",
        "some/image:1", "-R", "a+rwX", "/opt/ml",
    ]  # fmt: skip


def test_a_folder_that_an_engine_cannot_be_told_of_is_refused() -> None:
    with pytest.raises(SandboxError, match="colon"):
        arguments.create("one", "abc", "some/image:1", Spec(("train",), Path("/home/a:b")))


@pytest.mark.skipif(shutil.which("docker") is None, reason="no docker command is on the PATH")
@pytest.mark.parametrize(
    "words",
    [
        arguments.create("one", "abc", "some/image:1", _JOB),
        arguments.create("one", "abc", "some/image:1", _SERVER, network="net"),
        arguments.create("one", "abc", "some/image:1", _ENTERED, network="net", host="algo-2"),
        arguments.open_up("abc", "some/image:1", _JOB),
        arguments.start("one"),
        arguments.kill("one"),
        arguments.remove("one"),
        arguments.published("one", 8080),
        arguments.create_network("net", "abc", outward=False),
        arguments.containers("abc"),
        arguments.networks("abc"),
        arguments.look(),
        arguments.has("some/image:1"),
        arguments.pull("some/image:1"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_the_docker_command_of_this_machine_understands_it(tmp_path: Path, words: list[str]) -> None:
    """It reads all that is said before it looks for its daemon, which is nowhere here."""
    environment = {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    said = subprocess.run(["docker", *words], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert "daemon" in said.stderr, said.stderr
    assert "unknown" not in said.stderr


@pytest.fixture
def pretended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pretended engine on the PATH, whose registry has the scikit-learn image; gives its folder."""
    stand_in = STAND_INS["sagemaker-scikit-learn"]
    assert isinstance(stand_in, Path)
    for name, value in engines.pretend(tmp_path, **{IMAGE: stand_in, _ELSEWHERE: stand_in}).items():
        monkeypatch.setenv(name, value)
    return tmp_path / "pretended"


@pytest.fixture
def world(tmp_path: Path, neighbours: int, pretended: Path) -> Iterator[World]:
    """A SageMaker whose images an engine runs."""
    named = {"sagemaker-scikit-learn": Itself(), "mine": Itself(_ELSEWHERE), "nowhere": Itself()}
    made = World(tmp_path / "home", neighbours, images=named)
    yield made
    made.stop()
    assert _left(pretended) == []


def _left(pretended: Path) -> list[str]:
    return [each.name for kind in ("containers", "networks") for each in (pretended / kind).glob("[!.]*")]


def test_a_job_whose_image_the_engine_fetches_leaves_its_model_and_its_log(world: World) -> None:
    job = world.train("trains_anywhere.py", HyperParameters={"epochs": "2"}, Environment={"GREETING": "good day"})
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert world.unpack(job["ModelArtifacts"]["S3ModelArtifacts"]) == {"model.txt": b"2 epochs of good day"}
    until(lambda: "trained" in world.log(job["TrainingJobName"]))


def _image(name: str) -> dict[str, Any]:
    return {"AlgorithmSpecification": {"TrainingImage": name, "TrainingInputMode": "File"}}


def test_another_name_stands_for_the_uri(world: World, pretended: Path) -> None:
    job = world.train("trains_anywhere.py", HyperParameters={"epochs": "1"}, **_image("some.where/any/mine:7"))
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert (pretended / "images" / _ELSEWHERE).is_dir()


def test_an_image_that_cannot_be_fetched_fails_the_job_in_the_engines_words(world: World) -> None:
    job = world.train("trains_anywhere.py", **_image("some.where/nowhere:1"))
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == (
        "ClientError: The image some.where/nowhere:1 cannot be had: Error response from the pretended engine: pull"
        " access denied for some.where/nowhere:1"
    )


def test_a_job_that_is_stopped_is_asked_and_then_killed(world: World) -> None:
    name = world.begin("ignores_sigterm.py")
    until(lambda: world.log(name))
    world.sagemaker.stop_training_job(TrainingJobName=name)
    assert world.ended(name)["TrainingJobStatus"] == "Stopped"


def test_an_endpoint_serves_from_a_container(world: World) -> None:
    name = world.deploy("serves_by_default.py")
    assert world.endpoint(name)["EndpointStatus"] == "InService", world.endpoint(name).get("FailureReason")
    assert world.invoke(name, b"[1, 2]", ContentType="application/json") == "[2, 4]"
    world.sagemaker.delete_endpoint(EndpointName=name)


def test_a_processing_job_runs_its_entry_point_on_each_host(world: World) -> None:
    name = f"processing-{uuid.uuid4().hex[:12]}"
    world.sagemaker.create_processing_job(
        ProcessingJobName=name,
        ProcessingResources={"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}},
        AppSpecification={"ImageUri": IMAGE, "ContainerEntrypoint": ["echo"], "ContainerArguments": ["here", "I am"]},
        RoleArn=ROLE,
    )

    def ended() -> dict[str, Any] | None:
        told: dict[str, Any] = world.sagemaker.describe_processing_job(ProcessingJobName=name)
        return told if told["ProcessingJobStatus"] in FINAL else None

    job = until(ended, 60)
    assert job["ProcessingJobStatus"] == "Completed", job.get("FailureReason")
    until(lambda: world.log(name, "/aws/sagemaker/ProcessingJobs") == ["here I am"] * 2)


def test_network_isolation_of_what_an_engine_serves_is_refused(world: World) -> None:
    container = {"Image": IMAGE}
    with pytest.raises(ClientError, match="EnableNetworkIsolation is not to be had"):
        world.sagemaker.create_model(
            ModelName="apart", ExecutionRoleArn=ROLE, PrimaryContainer=container, EnableNetworkIsolation=True
        )


def test_a_job_is_refused_while_no_engine_answers(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClientError, match="cannot be run now: neither docker nor podman is on the PATH"):
        world.begin("trains_anywhere.py")


def test_one_that_does_not_answer_is_told_of_in_its_own_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "podman").write_text("#!/bin/sh\necho first >&2\necho no daemon >&2\nexit 1\n")
    (tmp_path / "podman").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(client.EngineError, match=r"^podman does not answer \(no daemon\)\.$"):
        client.find()


def test_what_cannot_be_made_leaves_no_network(tmp_path: Path, pretended: Path) -> None:
    (tmp_path / "home").mkdir()
    with pytest.raises(ImageError, match=r"cannot be run: .*No such image"):
        Real(Engine(tmp_path / "home"), "unknown").start(Spec(("serve",), tmp_path / "job", port=8080))
    assert _left(pretended) == []


def test_the_next_start_over_a_home_removes_what_a_kill_left_and_nothing_of_others(
    tmp_path: Path, pretended: Path
) -> None:
    """Whoever stays beside a container is killed, too, as when the machine stops."""
    mark = uuid.uuid4().hex
    starts = (
        "import pathlib, sys\n"
        "from dropforge.local.sagemaker.sandbox import Spec; from tests.local.sagemaker import engines\n"
        "home = pathlib.Path(sys.argv[1]); image = engines.image('engine', home)\n"
        "words = ('python', '-c', 'import time; print(1, flush=True); time.sleep(600)', sys.argv[2])\n"
        "process = image.start(Spec(words, home / 'job', port=8080)); process.output.readline()\n"
        "print(process._process.pid, flush=True); process.wait()"
    )
    homes = [tmp_path / name for name in ("mine", "other")]
    for home in homes:
        home.mkdir()
        words = [sys.executable, "-c", starts, str(home), f"{mark}-{home.name}"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, env=dict(os.environ)) as cloud:
            try:
                assert cloud.stdout is not None
                os.kill(int(cloud.stdout.readline()), signal.SIGKILL)
            finally:
                cloud.kill()
    assert len(_left(pretended)) == 4
    for home in homes:
        assert carrying(f"{mark}-{home.name}")
        Engine(home).sweep()
        until(lambda home=home: not carrying(f"{mark}-{home.name}"))  # type: ignore[misc] # bound for this turn
        assert len(_left(pretended)) == 4 - 2 * (homes.index(home) + 1)
        assert not (home / "engine").exists()
