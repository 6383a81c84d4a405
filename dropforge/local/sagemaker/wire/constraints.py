"""Checks a request against the service's model, and words what is wrong as AWS does."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Iterator
from typing import Any

from dropforge.local.sagemaker import places
from dropforge.local.sagemaker.wire import refusals

_PYTHON_TYPES: dict[str, type | tuple[type, ...]] = {
    "structure": dict,
    "map": dict,
    "list": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float),
}
# As far as Java's types go; times as far as a double tells one second from the next.
_LARGEST = {
    "integer": 2**31 - 1,
    "long": 2**63 - 1,
    "float": 3.4028235e38,
    "double": sys.float_info.max,
    "timestamp": 2**53,
}
_PLACE = "(https|s3)://"
"""What the pattern of a place in S3 begins with."""
# Java's names for kinds of characters, which Python's expressions lack.
_KINDS = (
    (r"[\p{Print}]", r"[\x20-\x7e]"),
    (r"\p{ASCII}", r"[\x00-\x7f]"),
    (r"\z", r"\Z"),
    (r"\p{L}", r"\w"),
    (r"\p{M}", r"\u0300-\u036f"),
    (r"\p{Z}", r"\s"),
    (r"\p{S}", r"$+<=>\^`|~"),
    (r"\p{N}", r"\d"),
    (r"\p{P}", r"!-/:-@"),
)


def check(shape: Any, given: dict[str, Any]) -> None:
    """Raise ValidationException with every constraint that fails, or SerializationException for a wrong type."""
    _raise(list(_structure(shape, given, "")))


def check_value(shape: Any, value: Any) -> None:
    """Check one value as `check` does a whole request."""
    _raise(list(_value(shape, value, "")))


def _raise(found: list[str]) -> None:
    if found:
        plural = "error" if len(found) == 1 else "errors"
        raise refusals.BROKEN_CONSTRAINT(number=len(found), errors=plural, told="; ".join(found))


def _structure(shape: Any, value: dict[str, Any], path: str) -> Iterator[str]:
    for name in shape.required_members:
        if value.get(name) is None:
            yield _says("null", _join(path, name), "Member must not be null")
    for name, part in value.items():
        if name in shape.members and part is not None:
            yield from _value(shape.members[name], part, _join(path, name))


def _value(shape: Any, value: Any, path: str) -> Iterator[str]:
    kind = shape.type_name
    expected = _PYTHON_TYPES.get(kind)
    if expected and (not isinstance(value, expected) or (isinstance(value, bool) and kind != "boolean")):
        raise refusals.WRONG_TYPE(type=type(value).__name__, kind=kind, path=path)
    if kind in _LARGEST and not abs(value) <= _LARGEST[kind]:  # not a number is neither
        raise refusals.WRONG_TYPE(type=type(value).__name__, kind=kind, path=path)
    match kind:
        case "structure":
            yield from _structure(shape, value, path)
        case "list":
            yield from _length(shape, value, path)
            for number, part in enumerate(value, start=1):
                yield from _value(shape.member, part, f"{path}.{number}.member")
        case "map":
            yield from _length(shape, value, path)
            for key, part in value.items():
                yield from _map_entry(shape, value, key, part, path)
        case "string":
            yield from _string(shape, value, path)
        case "integer" | "long" | "float" | "double":
            yield from _range(shape, value, path)


def _map_entry(shape: Any, whole: dict[str, Any], key: str, part: Any, path: str) -> Iterator[str]:
    """A map's errors name the map, not the entry, and list all the constraints of its keys or values."""
    if any(_string(shape.key, key, path)):
        yield _says(repr(whole), path, f"Map keys must satisfy constraint: [{', '.join(_told(shape.key))}]")
    if shape.value.type_name == "string" and isinstance(part, str):
        if any(_string(shape.value, part, path)):
            yield _says(repr(whole), path, f"Map value must satisfy constraint: [{', '.join(_told(shape.value))}]")
    else:
        yield from _value(shape.value, part, f"{path}.{key}.member")


def _told(shape: Any) -> list[str]:
    limits = shape.metadata
    told = [f"Member must have length less than or equal to {limits['max']}"] if "max" in limits else []
    told += [f"Member must have length greater than or equal to {limits['min']}"] if "min" in limits else []
    told += [f"Member must satisfy regular expression pattern: {limits['pattern']}"] if "pattern" in limits else []
    return told


def _string(shape: Any, value: str, path: str) -> Iterator[str]:
    yield from _length(shape, value, path)
    limits = shape.metadata
    if "enum" in limits and value not in limits["enum"]:
        yield _says(repr(value), path, f"Member must satisfy enum value set: [{', '.join(limits['enum'])}]")
    pattern = limits.get("pattern")
    if pattern and not _matches(pattern, value):
        yield _says(repr(value), path, f"Member must satisfy regular expression pattern: {pattern}")
    elif pattern and pattern.removeprefix("^").startswith(_PLACE) and places.is_elsewhere(value):
        raise refusals.NOT_IN_S3(uri=value, path=path)


def _length(shape: Any, value: Any, path: str) -> Iterator[str]:
    limits = shape.metadata
    if "max" in limits and len(value) > limits["max"]:
        yield _says(repr(value), path, f"Member must have length less than or equal to {limits['max']}")
    if "min" in limits and len(value) < limits["min"]:
        yield _says(repr(value), path, f"Member must have length greater than or equal to {limits['min']}")


def _range(shape: Any, value: float, path: str) -> Iterator[str]:
    limits = shape.metadata
    if "max" in limits and value > limits["max"]:
        yield _says(repr(value), path, f"Member must have value less than or equal to {limits['max']}")
    if "min" in limits and value < limits["min"]:
        yield _says(repr(value), path, f"Member must have value greater than or equal to {limits['min']}")


def _says(value: str, path: str, constraint: str) -> str:
    return f"Value {value} at '{path}' failed to satisfy constraint: {constraint}"


def _join(path: str, name: str) -> str:
    spelled = name[:1].lower() + name[1:]
    return f"{path}.{spelled}" if path else spelled


def _matches(pattern: str, value: str) -> bool:
    compiled = _compiled(pattern)
    return compiled is None or compiled.fullmatch(value) is not None


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """Translate a Java expression; None for one that Python cannot say."""
    for java, python in _KINDS:
        pattern = pattern.replace(java, python)
    try:
        return re.compile(pattern, re.DOTALL)
    except re.error:
        return None
