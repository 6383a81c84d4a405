"""The schemas of our events, as docs/events/ gives them to listeners: all that tests tell is held against them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from chalicelib.news import News

FOLDER = Path(__file__).parents[2] / "docs" / "events"


@cache
def schemas() -> Mapping[str, Any]:
    """Give a validator for each detail type."""
    read = (json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json")))
    return {schema["title"]: Draft202012Validator(schema) for schema in read}


def complaints(kind: str, detail: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with an event's detail: by the schema, or a field that the schema does not name."""
    validator = schemas()[kind]
    plain = json.loads(json.dumps(dict(detail)))
    wrong = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(plain)]
    return wrong + [f"{name} is not in the schema" for name in sorted(set(plain) - set(validator.schema["properties"]))]


def check_against_schemas(news: Iterable[News]) -> None:
    for each in news:
        assert (wrong := complaints(each.kind, each.detail)) == [], (each, wrong)
