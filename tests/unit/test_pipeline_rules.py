from __future__ import annotations

import pytest

from chalicelib.pipeline import Problem, parse
from tests.unit.test_pipeline_parse import SHORTEST, only_problem, problems


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


def test_a_type_that_the_gateway_would_mangle_is_refused_before_any_client_sends_it() -> None:
    found = problems(f'{SHORTEST}[serve]\naccept = ["image/png", "text/csv", "application/json", "audio/wav"]\n')

    assert [each.key for each in found] == ["serve.accept"]
    assert 'names "audio/wav", which would not reach a model whole' in found[0].message


def test_more_labels_than_a_release_can_keep_are_refused_before_anything_is_trained() -> None:
    labels = [f"{number:057}" for number in range(1001)]
    assert [each.message for each in problems(f"{SHORTEST}[serve]\nlabels = {labels}\n")] == [
        "may take 60000 bytes in all, and need 60060"
    ]
    assert parse(f"{SHORTEST}[serve]\nlabels = {labels[:1000]}\n").serve.labels == tuple(labels[:1000])


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
    many = "\n".join(f"h{number} = {number}" for number in range(95))
    assert len(parse(f"{SHORTEST}[train.hyperparameters]\n{many}\n").train.hyperparameters) == 95

    assert "95 are allowed" in only_problem(f"{SHORTEST}[train.hyperparameters]\n{many}\nh95 = 1\n").message


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
