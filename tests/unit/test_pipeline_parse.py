from __future__ import annotations

import pytest
from pydantic import ValidationError

from chalicelib.pipeline import Pipeline, PipelineRefused, Problem, parse

SHORTEST = """\
[train]
framework = "sklearn"
source_dir = "src"
entry_point = "train.py"
"""


def problems(text: str | bytes, instance_types: frozenset[str] | None = None) -> tuple[Problem, ...]:
    with pytest.raises(PipelineRefused) as refused:
        parse(text, instance_types=instance_types)
    return refused.value.problems


def only_problem(text: str | bytes, instance_types: frozenset[str] | None = None) -> Problem:
    found = problems(text, instance_types)
    assert len(found) == 1, found
    return found[0]


def test_the_shortest_file_trains_and_deploys_with_defaults() -> None:
    read = parse(SHORTEST)

    assert (read.trigger.start, read.trigger.quiet_seconds, read.trigger.late_files) == ("quiet", 120, "supersede")
    train = read.train
    assert (train.framework, train.framework_version, train.source_dir, train.entry_point) == (
        "sklearn",
        "1.2-1",
        "src",
        "train.py",
    )
    assert (train.instance_type, train.instance_count, train.volume_size_gb) == ("ml.m5.large", 1, 30)
    assert (train.max_runtime_seconds, train.required_channels, train.input_mode) == (3600, ("training",), "File")
    assert read.gate is None
    assert read.deploy is not None
    assert (read.deploy.mode, read.deploy.instance_type, read.deploy.initial_instance_count, read.deploy.rehearse) == (
        "realtime",
        "ml.m5.large",
        1,
        True,
    )
    assert (read.serve.accept, read.serve.top_k, read.serve.labels) == (
        ("image/png", "image/jpeg", "image/webp"),
        5,
        (),
    )


def test_deploy_false_means_train_and_register_only() -> None:
    assert parse(f"deploy = false\n{SHORTEST}").deploy is None


def test_deploy_true_is_refused() -> None:
    assert only_problem(f"deploy = true\n{SHORTEST}") == Problem(
        1, "deploy", "must be a table, or false where models are only trained and registered, not true"
    )


def test_a_pipeline_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        parse(SHORTEST).train.framework = None  # type: ignore[misc]  # what the test is about


def test_serving_code_is_the_training_code_unless_serve_names_its_own() -> None:
    assert (parse(SHORTEST).serving_source_dir, parse(SHORTEST).serving_entry_point) == ("src", "train.py")
    apart = parse(f'{SHORTEST}[serve]\nsource_dir = "serving"\nentry_point = "serve.py"\n')
    assert (apart.serving_source_dir, apart.serving_entry_point) == ("serving", "serve.py")


@pytest.mark.parametrize(
    ("text", "line", "key", "nearest"),
    [
        ("titel = 'x'\n" + SHORTEST, 1, "titel", "title"),
        (SHORTEST + "instance_typ = 'ml.m5.large'\n", 5, "train.instance_typ", "instance_type"),
        (SHORTEST + "[triger]\nstart = 'quiet'\n", 5, "triger", "trigger"),
        (
            SHORTEST + "[[deploy.smoke_test]]\npayload = 'a'\ncontent_type = 'image/png'\nexpected_label = '1'\n",
            8,
            "deploy.smoke_test[0].expected_label",
            "expect_label",
        ),
        (SHORTEST + "[serve.fallback]\nlable = 'x'\nlabel = 'y'\n", 6, "serve.fallback.lable", "label"),
    ],
)
def test_an_unknown_key_is_refused_by_name_with_the_nearest_known_one(
    text: str, line: int, key: str, nearest: str
) -> None:
    found = next(each for each in problems(text) if "unknown key" in each.message)

    assert (found.line, found.key) == (line, key)
    assert f'the nearest known one is "{nearest}"' in found.message


@pytest.mark.parametrize(
    ("table", "entry", "allowed"),
    [
        ("train", "instance_count = true", "a whole number from 1 to 100, not true"),
        ("train", "instance_count = 1.0", "a whole number from 1 to 100, not 1.0"),
        ("train", "instance_count = '1'", 'a whole number from 1 to 100, not "1"'),
        ("train", "instance_count = 0", "a whole number from 1 to 100, not 0"),
        ("train", "volume_size_gb = 16385", "a whole number of gigabytes from 1 to 16384, not 16385"),
        ("train", "max_runtime_seconds = 2419201", "a whole number of seconds from 1 to 2419200, not 2419201"),
        ("train", "use_spot_instances = 1", "true or false, not 1"),
        (
            "train",
            "instance_type = 'm5.large'",
            'an instance type of SageMaker\'s, such as ml.m5.large, not "m5.large"',
        ),
        ("train", "input_mode = 'file'", '"File", "FastFile" or "Pipe", not "file"'),
        ("train", "start_from = 'best'", '"nothing", "champion" or an S3 URI, not "best"'),
        ("trigger", "quiet_seconds = 901", "a whole number of seconds from 1 to 900, not 901"),
        ("trigger", "quiet_seconds = 0", "a whole number of seconds from 1 to 900, not 0"),
        ("trigger", "start = 'now'", '"quiet", "marker" or "manual", not "now"'),
        ("deploy", "memory_mb = 1500", "1024, 2048, 3072, 4096, 5120 or 6144, not 1500"),
        ("deploy", "max_concurrency = 201", "a whole number from 1 to 200, not 201"),
        ("deploy", "smoke_test = 'x'", 'at most 20 tables, each headed [[deploy.smoke_test]], not "x"'),
        ("serve", "top_k = 0", "a whole number from 1 to 1000, not 0"),
        ("serve", "labels = 'a'", 'a list of labels, as texts in quotes (at most 200 characters each), not "a"'),
        ("budget", "max_usd_per_run = 0", "an amount above 0, at most 1000000, not 0"),
        ("budget", "max_usd_per_run = inf", "an amount above 0, at most 1000000, not Infinity"),
    ],
)
def test_a_wrong_type_or_an_impossible_size_is_refused_with_what_is_allowed(
    table: str, entry: str, allowed: str
) -> None:
    text = f"{SHORTEST}{entry}\n" if table == "train" else f"{SHORTEST}[{table}]\n{entry}\n"
    found = next(each for each in problems(text) if each.message.startswith("must be"))

    assert found.message == f"must be {allowed}"
    assert found.key.startswith(f"{table}.")
    assert found.line == text.count("\n")


@pytest.mark.parametrize("entry", ["at_least = true", "at_least = nan", "at_least = inf", "beat_champion_by = -0.1"])
def test_a_gate_is_given_finite_numbers(entry: str) -> None:
    assert "a finite number" in only_problem(f'{SHORTEST}[gate]\nmetric = "m"\n{entry}\n').message


def test_a_whole_number_will_do_for_a_gate() -> None:
    gate = parse(f'{SHORTEST}[gate]\nmetric = "m"\nat_least = 1\n').gate

    assert gate is not None
    assert gate.at_least == 1


def test_all_problems_are_told_at_once_in_the_order_of_their_lines() -> None:
    found = problems(
        """\
[trigger]
quiet_seconds = 5000

[train]
framework = "sklearn"
source_dir = "../elsewhere"
entry_point = "train.py"
use_spot_instances = true
instance_type = "ml.p4d.24xlarge"
epochs = 3

[gate]
at_least = 0.9
""",
        instance_types=frozenset({"ml.m5.large"}),
    )

    assert [(each.line, each.key) for each in found] == [
        (2, "trigger.quiet_seconds"),
        (6, "train.source_dir"),
        (8, "train.use_spot_instances"),
        (9, "train.instance_type"),
        (10, "train.epochs"),
        (12, "gate.metric"),
    ]


def test_a_refusal_reads_as_one_message() -> None:
    with pytest.raises(PipelineRefused) as refused:
        parse(f"{SHORTEST}volume_size_gb = 0\n")

    assert refused.value.message == (
        "line 5, train.volume_size_gb: must be a whole number of gigabytes from 1 to 16384, not 0"
    )
    assert refused.value.status == 422


def test_a_file_without_a_train_table_is_refused() -> None:
    assert only_problem('title = "x"\n') == Problem(None, "train", "is needed: a table")


def test_a_version_of_a_pipeline_reads_back_from_json_as_it_was() -> None:
    read = parse(
        f'{SHORTEST}[train.hyperparameters]\nrate = 1.0\nbetas = [0.9, 1]\nname = "x"\n[serve]\nlabels = ["a"]\n'
    )

    again = Pipeline.model_validate_json(read.model_dump_json())

    assert again == read
    assert isinstance(again.train.hyperparameters["rate"], float)


@pytest.mark.parametrize(
    ("table", "entry", "key"),
    [
        ("prepare", "image_uri = 'x'\nentry_point = 'p.py'", "prepare"),
        ("train", "framework = 'pytorch'\nsource_dir = 'src'\nentry_point = 'train.py'", "train.framework"),
        ("train", "image_uri = '123456789012.dkr.ecr.eu-west-1.amazonaws.com/frames:3'", "train.image_uri"),
        ("train", "algorithm = 'xgboost'", "train.algorithm"),
        ("train", "instance_count = 2", "train.instance_count"),
        ("train", "input_mode = 'FastFile'", "train.input_mode"),
        ("train", "use_spot_instances = true", "train.use_spot_instances"),
        ("train", "max_wait_seconds = 7200", "train.max_wait_seconds"),
        ("train", "start_from = 'champion'", "train.start_from"),
        ("train", "start_from = 's3://bucket/model.tar.gz'", "train.start_from"),
        ("sweep", "hyperparameters = { rate = [0.1, 0.01] }", "sweep"),
        ("evaluate", "channel = 'evaluation'", "evaluate"),
        ("deploy", "mode = 'serverless'", "deploy.mode"),
        ("deploy", "mode = 'async'", "deploy.mode"),
        ("deploy", "memory_mb = 2048", "deploy.memory_mb"),
        ("deploy", "max_concurrency = 5", "deploy.max_concurrency"),
        ("deploy", "rollout = 'linear'", "deploy.rollout"),
        ("deploy", "alarms = ['errors']", "deploy.alarms"),
        ("serve", "fallback = { label = 'unknown' }", "serve.fallback"),
        ("budget", "max_usd_per_run = 5", "budget"),
    ],
)
def test_what_is_later_work_is_refused_by_name_and_nothing_else_is_said(table: str, entry: str, key: str) -> None:
    alone = key in {"train.framework", "train.image_uri", "train.algorithm"}
    text = SHORTEST if table == "train" else f"{SHORTEST}[{table}]\n"

    found = only_problem(f"[train]\n{entry}\n" if alone else f"{text}{entry}\n")

    assert found.key == key
    assert found.message.startswith("not supported yet: ")
    assert key in found.message


@pytest.mark.parametrize("start", ["quiet", "marker", "manual"])
def test_a_dataset_may_be_complete_by_quiet_by_its_marker_or_when_a_person_says_so(start: str) -> None:
    assert parse(f'{SHORTEST}[trigger]\nstart = "{start}"\n').trigger.start == start


def test_later_keys_at_their_working_values_are_no_later_work() -> None:
    text = f"""{SHORTEST}
instance_count = 1
input_mode = "File"
use_spot_instances = false
start_from = "nothing"
[trigger]
late_files = "supersede"
[gate]
metric = "m"
approval = "automatic"
[deploy]
mode = "realtime"
rollout = "all_at_once"
alarms = []
"""

    assert parse(text).train.instance_count == 1
