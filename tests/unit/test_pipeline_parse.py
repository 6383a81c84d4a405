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


def test_a_framework_needs_a_source_and_an_entry_point() -> None:
    assert [each.key for each in problems('[train]\nframework = "sklearn"\n')] == [
        "train.source_dir",
        "train.entry_point",
    ]


def test_a_train_table_names_something_to_train_with() -> None:
    text = '[train]\nsource_dir = "src"\nentry_point = "train.py"\n'

    assert only_problem(text) == Problem(1, "train.framework", 'is needed: "sklearn"')


def test_a_framework_and_an_image_exclude_each_other() -> None:
    assert "exactly one of framework, image_uri, algorithm" in "".join(
        each.message for each in problems(f'{SHORTEST}image_uri = "123.dkr.ecr.eu-west-1.amazonaws.com/x:1"\n')
    )


def test_a_version_of_scikit_learn_that_has_no_image_is_refused() -> None:
    found = only_problem(f'{SHORTEST}framework_version = "9.9-1"\n')

    assert found.message == 'must be one of 0.20.0, 0.23-1, 1.0-1, 1.2-1, not "9.9-1"'


def test_an_instance_type_that_the_stage_forbids_is_refused_with_those_it_allows() -> None:
    found = problems(
        f'{SHORTEST}instance_type = "ml.p3.2xlarge"\n[deploy]\ninstance_type = "ml.g5.xlarge"\n',
        instance_types=frozenset({"ml.m5.xlarge", "ml.m5.large"}),
    )

    assert [str(each) for each in found] == [
        (
            "line 5, train.instance_type: must be an instance type that this stage allows "
            '(ml.m5.large, ml.m5.xlarge), not "ml.p3.2xlarge"'
        ),
        (
            "line 7, deploy.instance_type: must be an instance type that this stage allows "
            '(ml.m5.large, ml.m5.xlarge), not "ml.g5.xlarge"'
        ),
    ]


def test_the_default_instance_type_is_held_to_the_stage_too() -> None:
    found = problems(SHORTEST, instance_types=frozenset({"ml.c5.large"}))

    assert [(each.line, each.key) for each in found] == [(1, "train.instance_type"), (None, "deploy.instance_type")]


def test_a_stage_says_nothing_about_what_is_not_deployed() -> None:
    text = f'deploy = false\n{SHORTEST}instance_type = "ml.c5.large"\n'

    assert parse(text, instance_types=frozenset({"ml.c5.large"})).deploy is None


def test_a_smoke_test_sends_what_is_accepted_and_expects_a_known_label() -> None:
    found = problems(f"""{SHORTEST}
[[deploy.smoke_test]]
payload = "smoke/1.png"
content_type = "image/png"
expect_label = "1"
[[deploy.smoke_test]]
payload = "smoke/2.gif"
content_type = "image/gif"
expect_label = "2"
min_score = 1.5
[serve]
labels = ["0", "1"]
""")

    # The wrong score takes its whole list out of what the rules can judge.
    assert [str(each) for each in found] == [
        "line 14, deploy.smoke_test[1].min_score: must be a number from 0 to 1, not 1.5"
    ]


def test_a_smoke_test_is_held_to_what_serve_says() -> None:
    found = problems(f"""{SHORTEST}
[[deploy.smoke_test]]
payload = "smoke/2.gif"
content_type = "image/gif"
expect_label = "2"
[serve]
accept = ["image/png"]
labels = ["0", "1"]
""")

    assert [str(each) for each in found] == [
        'line 8, deploy.smoke_test[0].content_type: must be one of [serve] accept (image/png), not "image/gif"',
        'line 9, deploy.smoke_test[0].expect_label: must be one of [serve] labels, not "2"',
    ]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("required_channels = ['a/b']", "channel names"),
        ("required_channels = []", "channel names"),
        ("required_channels = ['a', 'a']", 'names "a" more than once'),
        ("environment = { A = 1 }", "1 does not belong in a table of texts, in quotes"),
        ("environment = { '1A' = 'x' }", 'names "1A"'),
        ("environment = { DROPFORGE_RUN = 'x' }", "are ours"),
        (f"environment = {{ A = '{'x' * 513}' }}", "more than 512 characters"),
        ("metrics = { acc = '(' }", "what is no regular expression"),
        ("metrics = { acc = 'acc=[0-9]+' }", "with 0 groups; one is needed"),
        ("metrics = { acc = '(a)=([0-9]+)' }", "with 2 groups; one is needed"),
        ("metrics = { 'a b' = '([0-9]+)' }", 'names "a b"'),
        (f"metrics = {{ acc = '({'x' * 500})' }}", "more than 500 characters"),
        ("hyperparameters = { 'a b' = 1 }", 'names "a b"'),
        ("hyperparameters = { sagemaker_program = 'x' }", "belong to SageMaker's script mode"),
        ("hyperparameters = { a = 2024-01-01 }", "no text, finite number, boolean, list or table"),
        ("hyperparameters = { a = [1, nan] }", "no text, finite number, boolean, list or table"),
        ("entry_point_ = 'x'", "unknown key"),
    ],
)
def test_what_a_training_job_is_given_is_held_to_sagemakers_limits(entry: str, said: str) -> None:
    found = only_problem(f"{SHORTEST}{entry}\n")

    assert said in found.message
    assert found.line == 5


@pytest.mark.parametrize("path", ["/src", "../src", "src/../../x", "", ".", "a\\\\b", "a\\u0000b"])
@pytest.mark.parametrize("key", ["train.source_dir", "train.entry_point", "serve.source_dir", "deploy.smoke_test"])
def test_a_path_that_leaves_the_folder_is_refused(path: str, key: str) -> None:
    text = {
        "train.source_dir": f'[train]\nframework = "sklearn"\nsource_dir = "{path}"\nentry_point = "a.py"\n',
        "train.entry_point": f'[train]\nframework = "sklearn"\nsource_dir = "src"\nentry_point = "{path}"\n',
        "serve.source_dir": f'{SHORTEST}[serve]\nsource_dir = "{path}"\n',
        "deploy.smoke_test": f'{SHORTEST}[[deploy.smoke_test]]\ncontent_type = "image/png"\npayload = "{path}"\n',
    }[key]

    found = only_problem(text)

    assert found.key.startswith(key)
    assert "inside the pipeline's folder" in found.message


def test_a_path_has_one_spelling() -> None:
    assert parse(SHORTEST.replace('"src"', '"./src//code/"')).train.source_dir == "src/code"


def test_ninety_eight_hyperparameters_are_allowed_for_script_mode_needs_two() -> None:
    many = "\n".join(f"h{number} = {number}" for number in range(98))
    assert len(parse(f"{SHORTEST}[train.hyperparameters]\n{many}\n").train.hyperparameters) == 98

    assert "98 are allowed" in only_problem(f"{SHORTEST}[train.hyperparameters]\n{many}\nh98 = 1\n").message


def test_a_hyperparameter_has_at_most_2500_characters_as_sagemaker_gets_it() -> None:
    read = parse(f'{SHORTEST}[train.hyperparameters]\na = "{"x" * 2500}"\n')
    assert len(read.train.hyperparameters["a"]) == 2500

    found = only_problem(f"{SHORTEST}[train.hyperparameters]\na = [{'1, ' * 900}]\n")
    assert "a value of 2700 characters; 2500 are allowed" in found.message


def test_forty_metrics_are_allowed_with_the_gates_own() -> None:
    many = "\n".join(f'm{number} = "m{number}=([0-9]+)"' for number in range(40))
    gate = '[gate]\nmetric = "{}"\n'

    assert parse(f"{SHORTEST}[train.metrics]\n{many}\n{gate.format('m1')}").gate
    assert only_problem(f"{SHORTEST}[train.metrics]\n{many}\n{gate.format('other')}").key == "train.metrics"


def test_a_version_of_a_pipeline_reads_back_from_json_as_it_was() -> None:
    read = parse(
        f'{SHORTEST}[train.hyperparameters]\nrate = 1.0\nbetas = [0.9, 1]\nname = "x"\n[serve]\nlabels = ["a"]\n'
    )

    again = Pipeline.model_validate_json(read.model_dump_json())

    assert again == read
    assert isinstance(again.train.hyperparameters["rate"], float)
