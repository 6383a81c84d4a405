"""Whatever bytes come: a Pipeline, or a refusal; in time and memory that fit a function."""

from __future__ import annotations

import contextlib
import time
import tomllib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chalicelib.pipeline import Pipeline, PipelineRefused, Problem, parse
from tests.unit.test_docs_toml import whole_file
from tests.unit.test_pipeline_parse import SHORTEST

WORDS = st.sampled_from(
    [
        "[train]",
        "[",
        "]",
        "[[deploy.smoke_test]]",
        "{",
        "}",
        "=",
        ".",
        ",",
        "\n",
        '"',
        "'",
        '"""',
        "'''",
        "\\",
        "#",
        " ",
        "framework",
        "sklearn",
        '"sklearn"',
        "source_dir",
        '"src"',
        "hyperparameters",
        "epochs",
        "1",
        "1.5",
        "true",
        "nan",
        "1979-05-27T07:32:00Z",
        "0xff",
        "inf",
        "[serve]",
        "labels",
        "metrics",
        '"([0-9]+)"',
        "gate",
        "metric",
        "deploy",
    ]
)


def only_problem(text: str | bytes) -> Problem:
    with pytest.raises(PipelineRefused) as refused:
        parse(text)
    assert len(refused.value.problems) == 1
    return refused.value.problems[0]


@settings(deadline=None)
@given(st.binary(max_size=2000))
@example(b"\xff\xfe")
@example(b"\xef\xbb\xbf[train]")
@example(b"\r\n[train]\r\n")
def test_any_bytes_are_a_pipeline_or_a_refusal(body: bytes) -> None:
    with contextlib.suppress(PipelineRefused):
        assert isinstance(parse(body), Pipeline)


@given(st.lists(WORDS, max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_of_tomls_own_words_is_a_pipeline_or_a_refusal(words: list[str]) -> None:
    with contextlib.suppress(PipelineRefused):
        assert isinstance(parse("".join(words)), Pipeline)


VALUES = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.sampled_from(sorted(Pipeline.model_fields)),
    st.sampled_from(
        sorted({key for each in tomllib.loads(whole_file()).values() if isinstance(each, dict) for key in each})
    ),
    VALUES,
)
@settings(max_examples=300, deadline=None)
def test_any_value_under_any_key_is_taken_or_refused(table: str, key: str, value: object) -> None:
    with contextlib.suppress(PipelineRefused):
        parse(f"{table} = {{ {key} = {as_toml(value)} }}")


def as_toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case str():
            return quoted(value)
        case list():
            return f"[{', '.join(map(as_toml, value))}]"
        case dict():
            return "{" + ", ".join(f"{quoted(key)} = {as_toml(each)}" for key, each in value.items()) + "}"
        case _:
            raise TypeError(value)


def quoted(text: str) -> str:
    return '"' + "".join(f"\\U{ord(each):08x}" for each in text) + '"'


def test_what_is_not_toml_is_refused_with_line_and_column() -> None:
    found = only_problem('[train]\nframework = "sklearn\n')

    assert found.line == 2
    assert found.message.startswith("is not TOML: ")
    assert "(at line 2, column 21)" in found.message


def test_what_ends_too_early_is_refused_with_line_and_column() -> None:
    found = only_problem('[train]\nframework = """sklearn\n')

    assert found.line == 3
    assert found.message.endswith("(at line 3, column 1)")


def test_what_is_not_utf_8_is_refused_with_its_line() -> None:
    assert only_problem(b'[train]\nframework = "\xff"\n') == Problem(
        2, "", "is not UTF-8 (at line 2, byte 14 of the line); save the file as UTF-8"
    )


def test_a_lone_surrogate_is_refused() -> None:
    assert "is not UTF-8" in only_problem('title = "\ud800"').message


def test_a_file_of_more_than_256_kilobytes_is_refused() -> None:
    assert only_problem("#" * (256 * 1024 + 1)).message == "is 262145 bytes long; 262144 are allowed"


def test_windows_line_ends_are_counted_once() -> None:
    with pytest.raises(PipelineRefused) as refused:
        parse('[train]\r\nframework = "sklearn"\r\nsource_dir = "src"\r\nentry_point = "x.py"\r\nepochs = 1\r\n')

    assert [each.line for each in refused.value.problems] == [5]


def test_a_byte_order_mark_is_no_mistake() -> None:
    text = '\ufeff[train]\nframework = "sklearn"\nsource_dir = "src"\nentry_point = "x.py"\n'

    assert parse(text) == parse(text.encode()) == parse(text[1:])


@pytest.mark.parametrize("number", ["9223372036854775808", "-9223372036854775809", "0xffffffffffffffffff", "1" * 5000])
def test_an_integer_beyond_64_bits_is_refused(number: str) -> None:
    assert only_problem(f"{SHORTEST}hyperparameters = {{ a = [{number}] }}\n").message == (
        "holds an integer that does not fit in 64 bits"
    )


def test_the_largest_integers_are_taken() -> None:
    numbers = [2**63 - 1, -(2**63)]

    assert parse(f"{SHORTEST}hyperparameters = {{ a = {numbers} }}\n").train.hyperparameters["a"] == numbers


def test_long_keys_nested_in_one_another_are_too_deep() -> None:
    deep = "{b.b.b.b.b.b.b.b = " * 5 + "1" + "}" * 5

    assert "is nested too deeply" in only_problem(f"{SHORTEST}hyperparameters = {{ a = {deep} }}\n").message


HOSTILE = {
    "a deep list": "a = " + "[" * 100_000,
    "deep inline tables": "a = " + "{b = " * 50_000,
    "one key of 130,000 parts": ".".join("a" * 130_000) + " = 1",
    "a header of 120,000 parts": f"[{'.'.join('a' * 120_000)}]",
    "many long keys": "\n".join(f"{'a.' * 30}b{number} = 1" for number in range(3000)),
    "nested long keys": "a = " + "{b.b.b.b.b.b.b.b = " * 12 + "1" + "}" * 12,
    "an integer of a million bits": "a = 0x" + "f" * 250_000,
    "a number of 250,000 digits": "a = " + "1" * 250_000,
    "strings that never end": 'a = "' + '\\"' * 120_000,
    "long strings that never end": 'a = """' + '"" ' * 80_000,
    "many quotes": 'a = """' + '""' * 100_000,
    "20,000 unknown keys": "\n".join(f"k{number} = 1" for number in range(20_000)),
    "20,000 wrong values": "[train.environment]\n" + "\n".join(f"k{number} = 1" for number in range(20_000)),
    "20,000 tables": "\n".join(f"[k{number}]" for number in range(20_000)),
    "10,000 smoke tests": "[[deploy.smoke_test]]\n" * 10_000,
    "one list of 100,000": f"a = [{'1,' * 100_000}]",
    "a list of 10,000 equal labels": "[serve]\nlabels = [" + "'x'," * 10_000 + "]",
    "a regular expression too large": "[train.metrics]\na = '(x{99999999999})'",
    "a regular expression too deep": f"[train.metrics]\na = '{'(' * 240}{')' * 240}'",
}


@pytest.mark.parametrize("text", [pytest.param(text, id=what) for what, text in HOSTILE.items()])
def test_a_hostile_text_is_refused_in_seconds_and_told_in_few_words(text: str) -> None:
    began = time.process_time()

    with pytest.raises(PipelineRefused) as refused:
        parse(text)

    assert time.process_time() - began < 10
    assert len(refused.value.problems) <= 103
    assert len(refused.value.message) < 50_000


def test_problems_beyond_a_hundred_are_counted() -> None:
    with pytest.raises(PipelineRefused) as refused:
        parse("\n".join(f"k{number} = 1" for number in range(150)))

    assert refused.value.problems[-1].message == "and 51 more problems"
