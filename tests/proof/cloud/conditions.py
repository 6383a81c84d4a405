"""DynamoDB's expressions, as far as we write them: comparisons, AND, OR, NOT, and four functions."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

Item = Mapping[str, Mapping[str, Any]]
Test = Callable[[Item, Mapping[str, Any], Mapping[str, str]], bool]

_TOKEN = re.compile(r"\s*(<>|<=|>=|[=<>(),]|[#:]?[A-Za-z_][A-Za-z0-9_]*)")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def holds(expression: str, item: Item, asked: Mapping[str, Any]) -> bool:
    """Tell whether an item (empty where there is none) meets the expression of a request."""
    test = _compiled(expression)
    return test(item, asked.get("ExpressionAttributeValues", {}), asked.get("ExpressionAttributeNames", {}))


@cache
def _compiled(expression: str) -> Test:
    tokens = _TOKEN.findall(expression)
    if "".join(tokens) != re.sub(r"\s+", "", expression):
        raise NotImplementedError(expression)
    test, rest = _any(tokens)
    if rest:
        raise NotImplementedError(expression)
    return test


def _any(tokens: list[str]) -> tuple[Test, list[str]]:
    test, rest = _all(tokens)
    while rest and rest[0] == "OR":
        other, rest = _all(rest[1:])
        test = _either(test, other)
    return test, rest


def _all(tokens: list[str]) -> tuple[Test, list[str]]:
    test, rest = _one(tokens)
    while rest and rest[0] == "AND":
        other, rest = _one(rest[1:])
        test = _both(test, other)
    return test, rest


def _one(tokens: list[str]) -> tuple[Test, list[str]]:
    match tokens:
        case ["NOT", *rest]:
            test, rest = _one(rest)
            return (lambda *about: not test(*about)), rest
        case ["(", *rest]:
            test, rest = _any(rest)
            return test, rest[1:]
        case [name, sign, value, *rest] if sign in _COMPARE:
            return _comparison(name, _COMPARE[sign], value), rest
        case _:
            return _function(tokens)


def _function(tokens: list[str]) -> tuple[Test, list[str]]:
    match tokens:
        case ["attribute_not_exists", "(", name, ")", *rest]:
            return (lambda item, _, names: names.get(name, name) not in item), rest
        case ["attribute_exists", "(", name, ")", *rest]:
            return (lambda item, _, names: names.get(name, name) in item), rest
        case ["begins_with", "(", name, ",", value, ")", *rest]:
            return (
                lambda item, values, names: str(_part(item, names.get(name, name))).startswith(_value(values, value))
            ), rest
        case ["contains", "(", name, ",", value, ")", *rest]:
            return (
                lambda item, values, names: _value(values, value) in str(_part(item, names.get(name, name)) or "")
            ), rest
        case _:
            raise NotImplementedError(" ".join(tokens))


def _comparison(name: str, compare: Callable[[Any, Any], bool], value: str) -> Test:
    def test(item: Item, values: Mapping[str, Any], names: Mapping[str, str]) -> bool:
        found = _part(item, names.get(name, name))
        return found is not None and compare(found, _value(values, value))

    return test


def _either(one: Test, other: Test) -> Test:
    return lambda *about: one(*about) or other(*about)


def _both(one: Test, other: Test) -> Test:
    return lambda *about: one(*about) and other(*about)


def _part(item: Item, name: str) -> Any:
    return plain(item[name]) if name in item else None


def _value(values: Mapping[str, Any], name: str) -> Any:
    return plain(values[name])


def plain(value: Mapping[str, Any]) -> Any:
    """Give an attribute's value so that two of them compare as DynamoDB compares them."""
    [(kind, told)] = value.items()
    return float(told) if kind == "N" else told
