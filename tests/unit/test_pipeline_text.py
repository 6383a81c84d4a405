"""Whatever bytes come: a Pipeline, or a refusal; in time and memory that fit a function."""

from __future__ import annotations

import contextlib
import time
import tomllib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chalicelib.pipeline import Pipeline, PipelineRefused, Problem, parse
from chalicelib.pipeline.lines import find_line, key_lines
from chalicelib.pipeline.tokens import depth
from tests.unit.test_docs_toml import whole_file

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


@given(st.binary(max_size=2000))
@example(b"\xff\xfe")
@example(b"\xef\xbb\xbf[train]")
@example(b"\r\n[train]\r\n")
def test_any_bytes_are_a_pipeline_or_a_refusal(body: bytes) -> None:
    with contextlib.suppress(PipelineRefused):
        assert isinstance(parse(body), Pipeline)


@given(st.lists(WORDS, max_size=60))
@settings(max_examples=300)
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
@settings(max_examples=300)
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


def test_depth_is_that_of_brackets_or_of_dotted_keys_and_nothing_else() -> None:
    assert depth("a = 1.5\nb = [1.5, 2.5]\n") == 2
    assert depth("a . b.'c.d'.\"e\" = 1") == 4
    assert depth('a = "[[[[[[ a.b.c.d.e.f"  # [[[[ a.b.c.d.e.f') == 1
    assert depth("[[a.b]]\nc = {d = [{e = 1}]}") == 3


def test_every_key_has_its_line_wherever_toml_lets_it_stand() -> None:
    text = '''\
title = """
[not.a.table]
x = 1 "quoted\\" "" """
a."b.c" . 'd' = 1   # = [ {
[one]  # [two]
list = [
  1, [2,
  3], { in.line = 1, more = [
    4 ] },
]
\'\'\'
'''.replace("'''\n", "")
    text += "[[many.tables]]\nkey = 1\n[many.tables.sub]\nkey = 2\n[[many.tables]]\nkey = '''\n'''\nlast = 2024-01-01\n"
    tomllib.loads(text)

    lines = key_lines(text)

    assert {place: lines[place] for place in lines if len(place) > 1 or isinstance(place[0], str)} == {
        ("title",): 1,
        ("a",): 4,
        ("a", "b.c"): 4,
        ("a", "b.c", "d"): 4,
        ("one",): 5,
        ("one", "list"): 6,
        ("one", "list", 0): 7,
        ("one", "list", 1): 7,
        ("one", "list", 1, 0): 7,
        ("one", "list", 1, 1): 8,
        ("one", "list", 2): 8,
        ("one", "list", 2, "in"): 8,
        ("one", "list", 2, "in", "line"): 8,
        ("one", "list", 2, "more"): 8,
        ("one", "list", 2, "more", 0): 9,
        ("many",): 11,
        ("many", "tables"): 11,
        ("many", "tables", 0): 11,
        ("many", "tables", 0, "key"): 12,
        ("many", "tables", 0, "sub"): 13,
        ("many", "tables", 0, "sub", "key"): 14,
        ("many", "tables", 1): 15,
        ("many", "tables", 1, "key"): 16,
        ("many", "tables", 1, "last"): 18,
    }


def test_a_key_without_a_line_of_its_own_has_that_of_its_table() -> None:
    lines = key_lines("[train]\nx = 1\n")

    assert find_line(lines, ("train", "source_dir")) == 1
    assert find_line(lines, ("deploy", "mode")) is None


@given(VALUES.filter(lambda value: isinstance(value, dict)))
@settings(max_examples=200)
def test_every_key_of_any_value_has_a_line(value: object) -> None:
    text = f"\ntop = {as_toml(value)}\n"
    lines = key_lines(text)

    def places(inner: object, place: tuple[str | int, ...]) -> list[tuple[str | int, ...]]:
        pairs = inner.items() if isinstance(inner, dict) else enumerate(inner) if isinstance(inner, list) else ()
        return [place, *(found for key, each in pairs for found in places(each, (*place, key)))]

    assert set(lines) == set(places(tomllib.loads(text)["top"], ("top",)))
    assert set(lines.values()) == {2}
