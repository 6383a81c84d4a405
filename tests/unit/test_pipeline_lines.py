from __future__ import annotations

import tomllib

from hypothesis import given, settings

from chalicelib.pipeline.lines import find_line, key_lines
from chalicelib.pipeline.tokens import depth
from tests.unit.test_pipeline_text import VALUES, as_toml


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


def test_quotes_before_the_end_of_a_long_string_belong_to_it() -> None:
    text = 'a = [\n"""x"""",\n"""y""""", \'\'\'z\'\'\'\'\n]\nb = 1\n'
    assert tomllib.loads(text) == {"a": ['x"', 'y""', "z'"], "b": 1}

    assert key_lines(text) == {("a",): 1, ("a", 0): 2, ("a", 1): 3, ("a", 2): 3, ("b",): 5}


def test_a_key_without_a_line_of_its_own_has_that_of_its_table() -> None:
    lines = key_lines("[train]\nx = 1\n")

    assert find_line(lines, ("train", "source_dir")) == 1
    assert find_line(lines, ("deploy", "mode")) is None


@given(VALUES.filter(lambda value: isinstance(value, dict)))
@settings(max_examples=200, deadline=None)
def test_every_key_of_any_value_has_a_line(value: object) -> None:
    text = f"\ntop = {as_toml(value)}\n"
    lines = key_lines(text)

    def places(inner: object, place: tuple[str | int, ...]) -> list[tuple[str | int, ...]]:
        pairs = inner.items() if isinstance(inner, dict) else enumerate(inner) if isinstance(inner, list) else ()
        return [place, *(found for key, each in pairs for found in places(each, (*place, key)))]

    assert set(lines) == set(places(tomllib.loads(text)["top"], ("top",)))
    assert set(lines.values()) == {2}
