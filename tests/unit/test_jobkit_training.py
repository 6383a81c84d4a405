"""jobkit's training side, run as a container runs it: a program of its own, with the standard library alone."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropforge import jobkit
from dropforge.jobkit import lines
from dropforge.jobkit.job import decode

JOBKIT = Path(jobkit.__file__).parent


@dataclass(frozen=True, slots=True)
class Container:
    """An /opt/ml of its own, and the program that runs in it."""

    root: Path

    def give(self, hyperparameters: Mapping[str, str], *channels: str) -> Container:
        config = self.root / "input" / "config"
        config.mkdir(parents=True)
        (config / "hyperparameters.json").write_text(json.dumps(hyperparameters))
        (config / "inputdataconfig.json").write_text(
            json.dumps({name: {"TrainingInputMode": "File"} for name in channels})
        )
        (config / "resourceconfig.json").write_text('{"current_host": "algo-1", "hosts": ["algo-1"]}')
        for name in channels:
            (self.root / "input" / "data" / name).mkdir(parents=True)
        return self

    def start(self, program: str) -> subprocess.Popen[str]:
        script = self.root / "train.py"
        script.write_text(program)
        # -S leaves site-packages out: what runs here runs on any image that has Python.
        return subprocess.Popen(
            [sys.executable, "-S", str(script)],
            env={"PATH": os.environ["PATH"], "SAGEMAKER_BASE_DIR": str(self.root), "PYTHONPATH": str(JOBKIT.parent)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, program: str) -> tuple[int, str]:
        with self.start(program) as process:
            said, _ = process.communicate(timeout=30)
        return process.returncode, said

    @property
    def failure(self) -> str:
        return (self.root / "output" / "failure").read_text()

    @property
    def model(self) -> Path:
        return self.root / "model"


@pytest.fixture
def container(tmp_path: Path) -> Container:
    return Container(tmp_path / "ml")


def test_a_job_brings_hyperparameters_as_the_values_they_were(container: Container) -> None:
    container.give(
        {
            "epochs": "20",
            "betas": "[0.9, 0.999]",
            "name": "resnet",
            "zip": "007",
            "word": "NaN",
            "sagemaker_program": "x",
        },
        "training",
    )
    code, said = container.run(
        "import jobkit, json\n"
        "@jobkit.main\n"
        "def train(job):\n"
        "    print(json.dumps([job.hyperparameters, sorted(job.channels), list(job.hosts)]))\n"
    )
    assert code == 0
    assert json.loads(said) == [
        {"epochs": 20, "betas": [0.9, 0.999], "name": "resnet", "zip": "007", "word": "NaN"},
        ["training"],
        ["algo-1"],
    ]


def test_what_train_writes_into_output_is_the_model_and_labels_travel_with_it(container: Container) -> None:
    code, said = container.give({}, "training").run(
        "import jobkit\n"
        "def train(job):\n"
        "    (job.output / 'model.bin').write_bytes(b'weights')\n"
        "    job.metric('validation:accuracy', 0.97)\n"
        "    job.labels(['kat', 'hond', 'ü'])\n"
        "jobkit.main(train)\n"
    )
    assert code == 0
    assert (container.model / "model.bin").read_bytes() == b"weights"
    assert json.loads((container.model / "labels.json").read_text("utf-8")) == ["kat", "hond", "ü"]
    assert said.splitlines() == ["dropforge.metric validation:accuracy=0.97", 'dropforge.labels=["kat", "hond", "ü"]']


def test_an_exception_becomes_a_failure_with_the_line_it_rose_from(container: Container) -> None:
    code, _ = container.give({}, "training").run(
        "import jobkit\n@jobkit.main\ndef train(job):\n    raise ValueError('no pictures\\nin training')\n"
    )
    assert code == 1
    assert container.failure == "ValueError: no pictures in training (train.py:4)"


def test_a_very_long_reason_still_ends_with_its_place(container: Container) -> None:
    code, _ = container.give({}).run("import jobkit\n@jobkit.main\ndef train(job):\n    raise KeyError('x' * 5000)\n")
    assert code == 1
    assert len(container.failure) <= 1024
    assert container.failure.endswith("(train.py:4)")


def test_an_exit_code_of_the_users_own_is_kept_and_told(container: Container) -> None:
    code, _ = container.give({}).run("import jobkit, sys\n@jobkit.main\ndef train(job):\n    sys.exit(3)\n")
    assert code == 3
    assert "exit code 3" in container.failure


def test_sigterm_lets_finally_run_and_is_no_failure(container: Container) -> None:
    program = container.give({}).start(
        "import jobkit, time\n"
        "@jobkit.main\n"
        "def train(job):\n"
        "    try:\n"
        "        print('going', flush=True)\n"
        "        time.sleep(60)\n"
        "    finally:\n"
        "        (job.output / 'kept').write_text('yes')\n"
    )
    with program:
        assert program.stdout is not None
        assert program.stdout.readline() == "going\n"
        program.send_signal(signal.SIGTERM)
        assert program.wait(timeout=20) == 143
    assert (container.model / "kept").exists()
    assert not (container.root / "output" / "failure").exists()


def test_importing_a_training_file_runs_nothing(container: Container) -> None:
    container.give({})
    (container.root / "lib.py").write_text("import jobkit\n@jobkit.main\ndef train(job):\n    print('ran')\n")
    code, said = container.run("import lib\nprint(lib.train.__name__)\n")
    assert (code, said) == (0, "train\n")


def test_a_program_in_any_language_reads_one_json_file_and_writes_into_one_folder(container: Container) -> None:
    container.give({"epochs": "2"}, "training")
    script = container.root / "train.sh"
    script.write_text(
        '#!/bin/sh\nset -e\n[ "$1" = "$DROPFORGE_JOB" ]\ncp "$1" "$(dirname "$0")/seen.json"\n'
        'echo weights > "$SM_MODEL_DIR/model.bin"\necho dropforge.progress=1.0 done\n'
    )
    script.chmod(0o755)
    code, said = container.run(
        f"import os, jobkit\nos.environ['SM_MODEL_DIR'] = {str(container.model)!r}\njobkit.run([{str(script)!r}])\n"
    )
    seen = json.loads((container.root / "seen.json").read_text())
    assert (code, said) == (0, "dropforge.progress=1.0 done\n")
    assert seen["hyperparameters"] == {"epochs": 2}
    assert seen["channels"] == {"training": {"path": str(container.root / "input" / "data" / "training")}}
    assert seen["output"] == str(container.model)
    assert (container.model / "model.bin").read_text() == "weights\n"


def test_a_program_that_fails_fails_the_job_with_its_code(container: Container) -> None:
    code, _ = container.give({}).run("import jobkit\njobkit.run(['sh', '-c', 'exit 7'])\n")
    assert code == 7
    assert "exit code 7" in container.failure


def test_progress_speaks_for_a_hundredth_more_or_after_five_seconds_and_never_more_often(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = 100.0
    progress = lines.Progress(lambda: now)
    for share in (0.0, 0.001, 0.002, 0.5, 0.5001):
        progress.tell(share, "epoch")
    now += 6
    progress.tell(0.5002, "epoch")
    progress.tell(1, "done")
    assert capsys.readouterr().out.splitlines() == [
        "dropforge.progress=0.00 epoch",
        "dropforge.progress=0.50 epoch",
        "dropforge.progress=0.50 epoch",
        "dropforge.progress=1.00 done",
    ]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_metric_that_no_gate_could_compare_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        lines.tell_metric("accuracy", value)


def test_labels_that_repeat_are_refused() -> None:
    with pytest.raises(ValueError, match="each once"):
        lines.tell_labels(["a", "a"])


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)))
def test_a_hyperparameter_comes_back_as_the_value_it_was(value: object) -> None:
    text = value if isinstance(value, str) and _is_plain(value) else json.dumps(value)
    assert decode(text) == value


def _is_plain(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return True
    return False


@pytest.mark.parametrize("path", sorted(JOBKIT.glob("*.py")), ids=lambda path: path.name)
def test_jobkit_speaks_python_3_9(path: Path) -> None:
    ast.parse(path.read_text("utf-8"), feature_version=(3, 9))
    assert "from __future__ import annotations" in path.read_text("utf-8") or path.name.startswith("__")


def test_jobkit_imports_nothing_of_ours_and_nothing_installed(tmp_path: Path) -> None:
    found = subprocess.run(
        [
            sys.executable,
            "-S",
            "-c",
            "import sys, jobkit; print([m for m in ('PIL', 'flask', 'dropforge') if m in sys.modules])",
        ],
        cwd=tmp_path,
        env={"PYTHONPATH": str(JOBKIT.parent)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert found.stdout.strip() == "[]"
