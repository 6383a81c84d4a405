from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropforge.local.sagemaker.transform import jsonpath

_DOCUMENT = {
    "id": 7,
    "a b": "x",
    "features": [1, 2, 3, 4],
    "nested": {"deep": {"er": True}},
    "rows": [{"n": 1}, {"n": 2}],
}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("$", _DOCUMENT),
        ("$.id", 7),
        ("$['a b']", "x"),
        ("$.features[1:]", [2, 3, 4]),
        ("$.features[0,2:]", [1, 3, 4]),
        ("$.features[-1]", 4),
        ("$.features[:-2]", [1, 2]),
        ("$['id','a b']", {"id": 7, "a b": "x"}),
        ("$.nested.['deep']", {"er": True}),
        ('$.nested.deep["er"]', True),
        ("$.rows[*].n", [1, 2]),
        ("$.nested.*", [{"er": True}]),
    ],
)
def test_an_expression_finds_what_it_names(text: str, found: Any) -> None:
    assert jsonpath.read(text).select(_DOCUMENT) == found


@pytest.mark.parametrize("text", ["", "id", "$.", "$[", "$[]", "$['a]", "$..id", "$[?(@.a)]", "$[1:2:3]", "$[a]"])
def test_what_is_no_expression_of_these_is_refused(text: str) -> None:
    with pytest.raises(jsonpath.PathError):
        jsonpath.read(text)


@pytest.mark.parametrize("text", ["$.none", "$.features[9]", "$.id[0]", "$.id.*", "$['id','none']"])
def test_what_is_not_there_is_an_error(text: str) -> None:
    path = jsonpath.read(text)
    with pytest.raises(jsonpath.PathError):
        path.select(_DOCUMENT)


@given(st.text(alphabet="$.['\"]*:,-01ab ", max_size=12))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    try:
        jsonpath.read(text)
    except jsonpath.PathError:
        return
    assert text.strip().startswith("$")
